//! Request bodies: decompressed within a limit, whatever the sender claims.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

/// How a body is encoded: the `Content-Encoding` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// Why a body can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// An encoding that is not supported.
    #[error("Content-Encoding {0:?} is not supported; send identity, gzip or zstd")]
    UnknownEncoding(String),
    /// It grew beyond the limit while it was decompressed.
    #[error("the body is larger than {limit} bytes when decompressed; send smaller batches")]
    TooLarge {
        /// Bytes that are allowed.
        limit: usize,
    },
    /// The compressed data is damaged.
    #[error("the body does not decompress: {0}")]
    Damaged(io::Error),
}

/// Largest window that a zstd frame may ask memory for, as a power of two: 8 MiB, what its `-19` uses.
const ZSTD_WINDOW_LOG: u32 = 23;

impl Encoding {
    /// The encoding that a header names; none is identity.
    pub fn named(header: Option<&str>) -> Result<Self, BodyError> {
        match header.map(|name| name.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => Ok(Self::Identity),
            Some("gzip" | "x-gzip") => Ok(Self::Gzip),
            Some("zstd") => Ok(Self::Zstd),
            Some(other) => Err(BodyError::UnknownEncoding(other.to_owned())),
        }
    }

    /// The body as it was before it was encoded, at most `limit` bytes of it.
    pub fn decode(self, body: &[u8], limit: usize) -> Result<Vec<u8>, BodyError> {
        match self {
            Self::Identity if body.len() > limit => Err(BodyError::TooLarge { limit }),
            Self::Identity => Ok(body.to_vec()),
            Self::Gzip => bounded(MultiGzDecoder::new(body), limit),
            Self::Zstd => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(body).map_err(BodyError::Damaged)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(BodyError::Damaged)?;
                bounded(decoder, limit)
            }
        }
    }
}

fn bounded(decoder: impl Read, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    let beyond = limit as u64 + 1;
    decoder.take(beyond).read_to_end(&mut body).map_err(BodyError::Damaged)?;
    if body.len() > limit { Err(BodyError::TooLarge { limit }) } else { Ok(body) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory can be written");
        encoder.finish().expect("memory can be written")
    }

    #[test]
    fn each_encoding_gives_the_body_back() {
        let body = b"{\"schema\":1}\n".repeat(100);
        let zstd = zstd::encode_all(body.as_slice(), 3).expect("it compresses");
        for (name, encoded) in [(None, body.clone()), (Some("GZIP"), gzip(&body)), (Some("zstd"), zstd)] {
            let encoding = Encoding::named(name).expect("it is supported");
            assert_eq!(encoding.decode(&encoded, 2000).expect("it decodes"), body, "{name:?}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 50 << 20]);
        assert!(bomb.len() < 100_000);
        let error = Encoding::Gzip.decode(&bomb, 1 << 20).expect_err("it is too large");
        assert!(matches!(error, BodyError::TooLarge { limit: 1_048_576 }), "{error}");
        let bomb = zstd::encode_all(vec![0; 1 << 22].as_slice(), 19).expect("it compresses");
        assert!(matches!(Encoding::Zstd.decode(&bomb, 1 << 20), Err(BodyError::TooLarge { .. })));
    }

    #[test]
    fn damage_is_told() {
        let mut torn = gzip(b"evidence");
        torn.truncate(12);
        assert!(matches!(Encoding::Gzip.decode(&torn, 100), Err(BodyError::Damaged(_))));
        assert!(matches!(Encoding::Zstd.decode(b"evidence", 100), Err(BodyError::Damaged(_))));
        assert!(matches!(Encoding::named(Some("br")), Err(BodyError::UnknownEncoding(_))));
    }
}
