//! Copies of a data folder, made while the server runs, and folders made from them.
//!
//! ```text
//! file   = one line of JSON (Manifest) · newline · the database, compressed with zstd
//! ```
//!
//! The database is copied by SQLite itself (`VACUUM INTO`), in one transaction of reading, so it is consistent and holds up
//! no writer. Its SHA-256 stands in the first line, and is compared when it is restored.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::audit;
use crate::clock::now_ms;
use crate::store::sql::sqlite::SqliteDatabase;
use crate::store::sql::{Database as _, values};
use crate::store::{Store, StoreError};
use raceguard_evidence::hex::hex;

/// What a backup says it is.
const FORMAT: &str = "raceguard backup 1";
/// Longest first line.
const MANIFEST_BYTES: u64 = 64 << 10;
const LEVEL: i32 = 3;

/// The first line of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub made_ms: i64,
    /// Bytes of the database.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Number of the newest entry of the audit log in it.
    pub audit_id: u64,
    /// The hash of that entry, in hexadecimal.
    pub audit_hash: String,
}

/// Why there is no backup, or nothing could be made of it.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no database.
    #[error("there is no server.db in {}; name the folder that raceguard serve --data was given", .0.display())]
    NoDatabase(PathBuf),
    /// The file is there already.
    #[error("{} exists already; give the backup another name", .0.display())]
    Exists(PathBuf),
    /// The folder has something in it.
    #[error("{} is not empty; restore into a new folder, and move it to its place then", .0.display())]
    NotEmpty(PathBuf),
    /// A file can't be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The backup is damaged, or none.
    #[error("{} is no whole backup: {what}; nothing was restored", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError + use<> {
    let path = path.to_owned();
    move |source| BackupError::File { action, path, source }
}

/// Copies the database of a data folder, which a server may be using, into a file.
pub fn backup(folder: &Path, target: &Path, actor: &str) -> Result<Manifest, BackupError> {
    let database = folder.join("server.db");
    if !database.is_file() {
        return Err(BackupError::NoDatabase(folder.to_owned()));
    }
    if target.exists() {
        return Err(BackupError::Exists(target.to_owned()));
    }
    // Noted first, so that the copy says that it was made.
    let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Store::change(folder, |connection| audit::record(connection, actor, "backup.make", &name, ""))?;
    let copy = beside(target, "copying.db");
    let _ = fs::remove_file(&copy);
    let result = copy_database(&database, &copy).and_then(|head| write(&copy, target, head));
    let _ = fs::remove_file(&copy);
    result
}

fn copy_database(database: &Path, copy: &Path) -> Result<audit::Head, BackupError> {
    let text = copy.to_str().ok_or_else(|| BackupError::File {
        action: "use the name",
        path: copy.to_owned(),
        source: io::ErrorKind::InvalidFilename.into(),
    })?;
    SqliteDatabase::new(database.to_owned()).reading()?.execute("VACUUM INTO $1", values![text])?;
    Ok(audit::head(&mut *SqliteDatabase::new(copy.to_owned()).reading()?)?)
}

fn write(copy: &Path, target: &Path, head: audit::Head) -> Result<Manifest, BackupError> {
    let open = || File::open(copy).map_err(failed("read", copy));
    let mut hashing = Hashing { output: io::sink(), hash: Sha256::new(), failed: None };
    let bytes = io::copy(&mut open()?, &mut hashing).map_err(failed("read", copy))?;
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        made_ms: now_ms(),
        bytes,
        sha256: hex(&hashing.hash.finalize()),
        audit_id: head.id,
        audit_hash: head.hash,
    };
    let part = beside(target, "part");
    let written = (|| {
        let mut file = File::create(&part)?;
        serde_json::to_writer(&mut file, &manifest)?;
        file.write_all(b"\n")?;
        let mut encoder = zstd::Encoder::new(file, LEVEL)?;
        encoder.include_checksum(true)?;
        io::copy(&mut File::open(copy)?, &mut encoder)?;
        encoder.finish()?.sync_all()?;
        fs::rename(&part, target)?;
        sync_folder(target)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written.map_err(failed("write", target))?;
    Ok(manifest)
}

/// Makes a data folder from a backup.
pub fn restore(source: &Path, folder: &Path, actor: &str) -> Result<Manifest, BackupError> {
    let is_empty = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(failed("read", folder)(error)),
    };
    if !is_empty {
        return Err(BackupError::NotEmpty(folder.to_owned()));
    }
    let damaged = |what: String| BackupError::Damaged { path: source.to_owned(), what };
    let mut input = BufReader::new(File::open(source).map_err(failed("read", source))?);
    let mut line = String::new();
    let read = (&mut input).take(MANIFEST_BYTES).read_line(&mut line);
    let manifest: Option<Manifest> = read.ok().and_then(|_| serde_json::from_str(&line).ok());
    let manifest = manifest
        .filter(|manifest| manifest.format == FORMAT)
        .ok_or_else(|| damaged(format!("its first line does not say {FORMAT:?}")))?;
    fs::create_dir_all(folder).map_err(failed("make", folder))?;
    let part = folder.join("restoring.db");
    let result = unpack(&mut input, &part, &manifest).and_then(|()| check(&part));
    if let Err(error) = result {
        let _ = fs::remove_file(&part);
        return Err(error.with_path(source));
    }
    let database = folder.join("server.db");
    fs::rename(&part, &database).and_then(|()| sync_folder(&database)).map_err(failed("write", &database))?;
    Store::change(folder, |connection| {
        audit::record(connection, actor, "backup.restore", &manifest.sha256, "")
    })?;
    Ok(manifest)
}

impl BackupError {
    /// Names the backup where only what is wrong with it is known.
    fn with_path(self, source: &Path) -> Self {
        match self {
            Self::Damaged { what, .. } => Self::Damaged { path: source.to_owned(), what },
            other => other,
        }
    }
}

fn unpack(input: &mut impl io::BufRead, part: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let damaged = |what: String| BackupError::Damaged { path: PathBuf::new(), what };
    let file = OpenOptions::new().write(true).create_new(true).open(part).map_err(failed("write", part))?;
    let mut output = Hashing { output: file, hash: Sha256::new(), failed: None };
    let decoder = zstd::Decoder::with_buffer(input).map_err(|error| damaged(error.to_string()))?;
    // One byte more than there should be shows that there is more.
    let copied = io::copy(&mut decoder.take(manifest.bytes + 1), &mut output);
    if let Some(error) = output.failed {
        return Err(failed("write", part)(error));
    }
    let copied = copied.map_err(|error| damaged(error.to_string()))?;
    if copied != manifest.bytes || hex(&output.hash.finalize()) != manifest.sha256 {
        return Err(damaged("its content is not what its first line says".to_owned()));
    }
    output.output.sync_all().map_err(failed("write", part))
}

/// Whether SQLite finds everything in order.
fn check(database: &Path) -> Result<(), BackupError> {
    let damaged = |what: String| BackupError::Damaged { path: PathBuf::new(), what };
    let answer = SqliteDatabase::new(database.to_owned())
        .reading()
        .and_then(|mut connection| connection.row("PRAGMA integrity_check(1)", &[]))
        .and_then(|row| row.map_or(Ok(String::new()), |row| row.get(0)));
    match answer {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok(answer) => Err(damaged(answer)),
        Err(error) => Err(damaged(error.to_string())),
    }
}

/// Where bytes go, with the hash of what was written to it. Keeps apart what fails in writing from what fails in reading.
struct Hashing<W> {
    output: W,
    hash: Sha256,
    failed: Option<io::Error>,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.output.write(bytes) {
            Ok(written) => {
                self.hash.update(&bytes[..written]);
                Ok(written)
            }
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{ending}"));
    path.with_file_name(name)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
