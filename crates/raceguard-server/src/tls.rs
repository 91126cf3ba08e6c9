//! TLS 1.2 and 1.3, with a certificate that can be replaced while the server runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Where certificate and key are, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and those that lead from it to a known one.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or is not PEM.
    #[error("cannot take {what} from {}: {source}", path.display())]
    Read {
        /// What should be in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: pem::Error,
    },
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("{} and {} are of no use: {source}", files.certificate.display(), files.key.display())]
    Unfit {
        /// The files.
        files: TlsFiles,
        /// Why not.
        source: rustls::Error,
    },
}

/// The certificate in use.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    configs: RwLock<Configs>,
}

/// The same certificate, for each version of HTTP.
#[derive(Debug)]
struct Configs {
    http1: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
}

impl Tls {
    /// Reads certificate and key.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let configs = RwLock::new(Configs::read(&files)?);
        Ok(Self { files, configs })
    }

    /// Reads them again. After an error those from before stay in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let configs = Configs::read(&self.files)?;
        *self.configs.write().unwrap_or_else(PoisonError::into_inner) = configs;
        Ok(())
    }

    /// Takes connections of HTTP/1.1 with the certificate that is in use now.
    pub fn http1(&self) -> TlsAcceptor {
        Arc::clone(&self.configs.read().unwrap_or_else(PoisonError::into_inner).http1).into()
    }

    /// Takes connections of HTTP/2 with the certificate that is in use now.
    pub fn http2(&self) -> TlsAcceptor {
        Arc::clone(&self.configs.read().unwrap_or_else(PoisonError::into_inner).http2).into()
    }
}

impl Configs {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let mut http1 = config(files)?;
        let mut http2 = http1.clone();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        http2.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { http1: Arc::new(http1), http2: Arc::new(http2) })
    }
}

fn config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let failed = |what: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Read { what, path, source }
    };
    let (certificate, key) = (&files.certificate, &files.key);
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(failed("a certificate", certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(failed("a key", key))?;
    let unfit = |source| TlsError::Unfit { files: files.clone(), source };
    // Named, since nothing says which of several providers a process means.
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unfit)
}
