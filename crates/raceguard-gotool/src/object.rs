//! The race runtime as the relocatable objects that Go's linker takes in place of ThreadSanitizer's.

/// For GOAMD64 v1 and v2, called through Go's own stubs.
pub const RACE_OBJECT_V1: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/race_v1.syso"));

/// For GOAMD64 v3 and v4, called through Go's own stubs.
pub const RACE_OBJECT_V3: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/race_v3.syso"));

/// For GOAMD64 v1 and v2, called directly; its placeholders are to be filled in (see [`crate::stub`]).
pub const RACE_OBJECT_DIRECT_V1: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/race_direct_v1.syso"));

/// For GOAMD64 v3 and v4, called directly; its placeholders are to be filled in (see [`crate::stub`]).
pub const RACE_OBJECT_DIRECT_V3: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/race_direct_v3.syso"));
