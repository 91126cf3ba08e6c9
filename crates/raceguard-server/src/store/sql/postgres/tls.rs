//! TLS to PostgreSQL, by `sslmode` and `sslrootcert` of the address, which mean what they mean to libpq
//! (PostgreSQL's manual, "SSL Support").
//!
//! | `sslmode` | encrypts | the server's certificate |
//! |---|---|---|
//! | `disable` | never | |
//! | `prefer`, which is the default | if the server does | is not looked at |
//! | `require` | always | is not looked at; with `sslrootcert` as `verify-ca` |
//! | `verify-ca` | always | signed by one in `sslrootcert`, or by a public authority |
//! | `verify-full` | always | and its name is that of the host |

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::StoreError;

/// How far the server has to show who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Not at all.
    Anyone,
    /// Somebody known signed its certificate.
    Signed,
    /// And the certificate is for the host.
    Named,
}

/// What an address says of TLS.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Security {
    /// When to encrypt.
    pub(super) mode: SslMode,
    trust: Trust,
    root_certificates: Option<PathBuf>,
}

impl Security {
    /// Takes what it says of TLS out of an address, which is one of the two forms of libpq. Gives the rest of it.
    pub(super) fn take(address: &str) -> Result<(String, Self), StoreError> {
        let (mut mode, mut root_certificates) = (None, None);
        let mut is_other = |name: &str, value: String| {
            match name {
                "sslmode" => mode = Some(value),
                "sslrootcert" => root_certificates = Some(PathBuf::from(value)),
                _ => return true,
            }
            false
        };
        let is_url = address.starts_with("postgres://") || address.starts_with("postgresql://");
        let rest = match address.split_once('?') {
            Some((base, query)) if is_url => {
                let kept = query.split('&').filter(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    is_other(name, unescaped(value))
                });
                let kept = kept.collect::<Vec<_>>().join("&");
                if kept.is_empty() { base.to_owned() } else { format!("{base}?{kept}") }
            }
            _ if is_url => address.to_owned(),
            _ => {
                let kept = words(address).into_iter().filter(|word| {
                    let (name, value) = word.split_once('=').unwrap_or((word, ""));
                    is_other(name.trim(), unquoted(value.trim()))
                });
                kept.collect::<Vec<_>>().join(" ")
            }
        };
        let (mode, trust) = match mode.as_deref() {
            Some("disable") => (SslMode::Disable, Trust::Anyone),
            None | Some("prefer" | "allow") => (SslMode::Prefer, Trust::Anyone),
            Some("require") if root_certificates.is_none() => (SslMode::Require, Trust::Anyone),
            Some("require" | "verify-ca") => (SslMode::Require, Trust::Signed),
            Some("verify-full") => (SslMode::Require, Trust::Named),
            Some(other) => {
                return Err(StoreError::Address(format!(
                    "sslmode is {other}, which is none of disable, prefer, require, verify-ca, verify-full"
                )));
            }
        };
        Ok((rest, Self { mode, trust, root_certificates }))
    }

    /// What makes TLS connections; nothing when none is to be made.
    pub(super) fn connector(&self) -> Result<Option<MakeRustlsConnect>, StoreError> {
        if self.mode == SslMode::Disable {
            return Ok(None);
        }
        let failed =
            |error: &dyn std::fmt::Display| StoreError::Address(format!("TLS can't be used: {error}"));
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| failed(&error))?;
        let config = match self.trust {
            Trust::Named => config.with_root_certificates(self.roots()?),
            Trust::Anyone => config
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Verifier { signed: None, provider })),
            Trust::Signed => {
                let roots = Arc::new(self.roots()?);
                let signed = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
                let signed = Some(signed.build().map_err(|error| failed(&error))?);
                config.dangerous().with_custom_certificate_verifier(Arc::new(Verifier { signed, provider }))
            }
        };
        Ok(Some(MakeRustlsConnect::new(config.with_no_client_auth())))
    }

    fn roots(&self) -> Result<RootCertStore, StoreError> {
        match &self.root_certificates {
            Some(path) => read_roots(path),
            None => Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }),
        }
    }
}

fn read_roots(path: &Path) -> Result<RootCertStore, StoreError> {
    let failed = |error: &dyn std::fmt::Display| {
        StoreError::Address(format!("sslrootcert {} gives no certificate: {error}", path.display()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))? {
        let certificate = certificate.map_err(|error| failed(&error))?;
        roots.add(certificate).map_err(|error| failed(&error))?;
    }
    if roots.is_empty() {
        return Err(failed(&"it holds none; it must be PEM, with BEGIN CERTIFICATE"));
    }
    Ok(roots)
}

/// Takes any certificate, or any that somebody known signed, whatever its name. That the server has its key is checked.
#[derive(Debug)]
struct Verifier {
    signed: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(signed) = &self.signed else { return Ok(ServerCertVerified::assertion()) };
        match signed.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The name is compared last, when the signatures were found right.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The value of a pair of a URL's query, in which a plus is no space.
fn unescaped(value: &str) -> String {
    let pair = format!("v={}", value.replace('+', "%2B"));
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// The pairs of `host=… user='…'`: separated by blanks outside quotes.
fn words(address: &str) -> Vec<&str> {
    let (mut words, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (at, c) in address.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\'' => is_quoted = !is_quoted,
            c if c.is_whitespace() && !is_quoted => {
                words.push(&address[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    words.push(&address[start..]);
    words.retain(|word| !word.is_empty());
    words
}

/// A value of such a pair, without its quotes and backslashes.
fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).unwrap_or(value);
    let mut plain = String::new();
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        plain.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(address: &str) -> (String, SslMode, Trust, Option<String>) {
        let (rest, security) = Security::take(address).expect(address);
        let roots = security.root_certificates.map(|path| path.to_string_lossy().into_owned());
        (rest, security.mode, security.trust, roots)
    }

    #[test]
    fn both_forms_of_an_address_say_how_far_the_server_is_trusted() {
        let url = "postgres://u:p%3F@h:1/n";
        for (address, rest, mode, trust, roots) in [
            (url.to_owned(), url, SslMode::Prefer, Trust::Anyone, None),
            (format!("{url}?sslmode=disable"), url, SslMode::Disable, Trust::Anyone, None),
            (
                format!("{url}?connect_timeout=3&sslmode=require"),
                "postgres://u:p%3F@h:1/n?connect_timeout=3",
                SslMode::Require,
                Trust::Anyone,
                None,
            ),
            (
                format!("{url}?sslrootcert=%2Fetc%2Fa+b.pem&sslmode=require"),
                url,
                SslMode::Require,
                Trust::Signed,
                Some("/etc/a+b.pem"),
            ),
            (format!("{url}?sslmode=verify-full"), url, SslMode::Require, Trust::Named, None),
            (
                r"host=h password='a b\' sslmode=x' sslmode=verify-ca sslrootcert='/my certs/a.pem'"
                    .to_owned(),
                r"host=h password='a b\' sslmode=x'",
                SslMode::Require,
                Trust::Signed,
                Some("/my certs/a.pem"),
            ),
        ] {
            assert_eq!(
                taken(&address),
                (rest.to_owned(), mode, trust, roots.map(str::to_owned)),
                "{address}"
            );
        }
        let refused = Security::take("postgres://h/n?sslmode=verify_full").expect_err("it is no mode");
        assert!(refused.to_string().contains("verify_full"), "{refused}");
    }

    #[test]
    fn a_file_without_certificates_is_told() {
        let folder = tempfile::tempdir().expect("there is room");
        let file = folder.path().join("a.pem");
        for content in [None, Some("no certificate")] {
            if let Some(content) = content {
                std::fs::write(&file, content).expect("it is written");
            }
            let address = format!("postgres://h/n?sslmode=verify-full&sslrootcert={}", file.display());
            let (_, security) = Security::take(&address).expect("it is an address");
            let error = security.connector().err().expect("it has no certificate").to_string();
            assert!(error.contains("a.pem gives no certificate"), "{error}");
        }
    }
}
