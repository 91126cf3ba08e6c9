//! Answers of OTLP: what a client reads, and what makes it send again.

use axum::http::StatusCode;
use prost::Message;
use serde::Serialize;
use tonic::Code;

use super::Exported;
use crate::intake::{Reason, Refusal};

/// `ExportTraceServiceResponse`, and those of metrics and logs, which are the same on the wire.
#[derive(Clone, PartialEq, Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportResponse {
    /// Set when not all was taken.
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial_success: Option<PartialSuccess>,
}

/// `ExportTracePartialSuccess`, and those of metrics and logs.
#[derive(Clone, PartialEq, Message)]
pub struct PartialSuccess {
    /// Items that were not taken.
    #[prost(int64, tag = "1")]
    pub rejected: i64,
    /// Why.
    #[prost(string, tag = "2")]
    pub error_message: String,
}

impl Serialize for PartialSuccess {
    /// As the JSON of protocol buffers: numbers of 64 bits are strings. Spans alone are ever rejected.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut fields = serializer.serialize_struct("PartialSuccess", 2)?;
        fields.serialize_field("rejectedSpans", &self.rejected.to_string())?;
        fields.serialize_field("errorMessage", &self.error_message)?;
        fields.end()
    }
}

/// `google.rpc.Status`, the body of a refusal over HTTP.
#[derive(Clone, PartialEq, Message, Serialize)]
pub struct StatusBody {
    /// Code of gRPC.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// What happened, and what to do next.
    #[prost(string, tag = "2")]
    pub message: String,
}

impl From<Exported> for ExportResponse {
    fn from(exported: Exported) -> Self {
        let partial_success = (exported.rejected > 0).then(|| PartialSuccess {
            rejected: i64::try_from(exported.rejected).unwrap_or(i64::MAX),
            error_message: "spans without a trace id of 16 bytes and a span id of 8 bytes".to_owned(),
        });
        Self { partial_success }
    }
}

impl StatusBody {
    /// The body of a refusal.
    pub fn of(refusal: &Refusal) -> Self {
        Self { code: code(refusal).into(), message: refusal.to_string() }
    }
}

/// The code of gRPC. Clients send again after [`Code::Unavailable`], and never after the others that are given here.
pub fn code(refusal: &Refusal) -> Code {
    match refusal.reason() {
        Reason::Token if refusal.status() == StatusCode::FORBIDDEN => Code::PermissionDenied,
        Reason::Token => Code::Unauthenticated,
        Reason::TooLarge => Code::ResourceExhausted,
        Reason::Encoding | Reason::Header | Reason::Malformed | Reason::NewerSchema | Reason::Broken => {
            Code::InvalidArgument
        }
        Reason::Fault => Code::Internal,
        Reason::Rate
        | Reason::Cardinality
        | Reason::Memory
        | Reason::Slow
        | Reason::Busy
        | Reason::Stopping
        | Reason::NotWritten => Code::Unavailable,
    }
}
