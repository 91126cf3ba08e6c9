//! Request bodies: decompressed within a limit, whatever the sender claims.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use crate::intake::{OutOfMemory, Reservation};

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
    /// Other requests hold all memory.
    #[error(transparent)]
    Memory(#[from] OutOfMemory),
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

    /// The body as it was before it was encoded, at most `limit` bytes of it, in memory that is reserved as it grows.
    pub fn decode(self, body: Vec<u8>, limit: usize, memory: &mut Reservation) -> Result<Vec<u8>, BodyError> {
        match self {
            Self::Identity if body.len() > limit => Err(BodyError::TooLarge { limit }),
            Self::Identity => Ok(body),
            Self::Gzip => bounded(MultiGzDecoder::new(body.as_slice()), limit, memory),
            Self::Zstd => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(body.as_slice()).map_err(BodyError::Damaged)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(BodyError::Damaged)?;
                bounded(decoder, limit, memory)
            }
        }
    }
}

/// Bytes that are decompressed before memory for more is reserved.
const STEP: usize = 1 << 20;

fn bounded(mut decoder: impl Read, limit: usize, memory: &mut Reservation) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while body.len() <= limit {
        let step = STEP.min(limit + 1 - body.len());
        memory.grow(step)?;
        let read = (&mut decoder).take(step as u64).read_to_end(&mut body).map_err(BodyError::Damaged)?;
        if read < step {
            return Ok(body);
        }
    }
    Err(BodyError::TooLarge { limit })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::intake::Memory;

    fn decode(encoding: Encoding, body: &[u8], limit: usize) -> Result<Vec<u8>, BodyError> {
        encoding.decode(body.to_vec(), limit, &mut Memory::new(8 << 20).reservation())
    }

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
            assert_eq!(decode(encoding, &encoded, 2000).expect("it decodes"), body, "{name:?}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 50 << 20]);
        assert!(bomb.len() < 100_000);
        let error = decode(Encoding::Gzip, &bomb, 1 << 20).expect_err("it is too large");
        assert!(matches!(error, BodyError::TooLarge { limit: 1_048_576 }), "{error}");
        let bomb = zstd::encode_all(vec![0; 1 << 22].as_slice(), 19).expect("it compresses");
        assert!(matches!(decode(Encoding::Zstd, &bomb, 1 << 20), Err(BodyError::TooLarge { .. })));
    }

    #[test]
    fn a_body_that_would_take_the_memory_of_others_is_refused() {
        let memory = Memory::new(4 << 20);
        let large = gzip(&vec![0; 6 << 20]);
        let error = Encoding::Gzip.decode(large, 8 << 20, &mut memory.reservation()).expect_err("no room");
        assert!(matches!(error, BodyError::Memory(_)), "{error}");
        assert_eq!(memory.free(), 4 << 20);
    }

    #[test]
    fn damage_is_told() {
        let mut torn = gzip(b"evidence");
        torn.truncate(12);
        assert!(matches!(decode(Encoding::Gzip, &torn, 100), Err(BodyError::Damaged(_))));
        assert!(matches!(decode(Encoding::Zstd, b"evidence", 100), Err(BodyError::Damaged(_))));
        assert!(matches!(Encoding::named(Some("br")), Err(BodyError::UnknownEncoding(_))));
    }
}
