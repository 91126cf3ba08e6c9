//! Which policies are in force.

use std::fs;
use std::path::{Path, PathBuf};

use raceguard_policy::store::{NamedText, Store, yaml_files};
use raceguard_policy::{DEFAULT_NAME, DEFAULT_TEXT, PolicySet, read};

use super::error::GateError;

/// The names of a module's own file of policies.
pub const FILE_NAMES: [&str; 2] = ["raceguard-policy.yaml", "raceguard-policy.yml"];

/// The folder of revisions, below a module.
pub const STORE: &str = ".raceguard/policies";

/// Where policies come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// All YAML files of a folder.
    Folder(PathBuf),
    /// The revision in force of a store.
    Store(PathBuf),
    /// Nobody has written any.
    Default,
}

impl Source {
    /// What is in force: what is named, else the module's file, else its store, else the default.
    pub fn find(named: Option<&Path>, module: &Path) -> Result<Self, GateError> {
        if let Some(path) = named {
            return match fs::metadata(path) {
                Ok(metadata) if !metadata.is_dir() => Ok(Self::File(path.to_owned())),
                Ok(_) if Store::is_one(path) => Ok(Self::Store(path.to_owned())),
                Ok(_) => Ok(Self::Folder(path.to_owned())),
                Err(source) => Err(GateError::File { action: "read", path: path.to_owned(), source }),
            };
        }
        if let Some(file) = own_file(module) {
            return Ok(Self::File(file));
        }
        let store = module.join(STORE);
        Ok(if Store::is_one(&store) { Self::Store(store) } else { Self::Default })
    }

    /// The texts of the policies.
    pub fn texts(&self) -> Result<Vec<NamedText>, GateError> {
        match self {
            Self::File(path) => {
                let text = fs::read_to_string(path).map_err(|source| GateError::File {
                    action: "read",
                    path: path.clone(),
                    source,
                })?;
                Ok(vec![(path.clone(), text)])
            }
            Self::Folder(path) => {
                let files = yaml_files(path)?;
                if files.is_empty() {
                    return Err(GateError::Usage {
                        message: format!("there are no policies in {}", path.display()),
                        hint: "name a file, or a folder with .yaml files; `raceguard policy init` writes one"
                            .to_owned(),
                    });
                }
                Ok(files)
            }
            Self::Store(path) => {
                let store = Store::at(path);
                match store.current()? {
                    Some(number) => Ok(store.files(number)?),
                    None => Ok(vec![(DEFAULT_NAME.into(), DEFAULT_TEXT.to_owned())]),
                }
            }
            Self::Default => Ok(vec![(DEFAULT_NAME.into(), DEFAULT_TEXT.to_owned())]),
        }
    }

    /// The policies, or everything that is wrong with them.
    pub fn policies(&self, here: &Path) -> Result<PolicySet, GateError> {
        policies(&self.texts()?, here)
    }

    /// What it is, for people.
    pub fn label(&self, here: &Path) -> String {
        match self {
            Self::File(path) | Self::Folder(path) => shown(path, here).display().to_string(),
            Self::Store(path) => {
                let number = Store::at(path).current().ok().flatten().unwrap_or(0);
                format!("revision {number} of {}", shown(path, here).display())
            }
            Self::Default => "the default policy".to_owned(),
        }
    }
}

/// Reads policies; their files are told relative to where the user stands.
pub fn policies(texts: &[NamedText], here: &Path) -> Result<PolicySet, GateError> {
    let named = texts.iter().map(|(path, text)| (shown(path, here), text.as_str()));
    read(named).map_err(|problems| GateError::Problems { problems })
}

/// A path relative to where the user stands, if it is below.
pub fn shown<'a>(path: &'a Path, here: &Path) -> &'a Path {
    path.strip_prefix(here).unwrap_or(path)
}

/// The file of policies that counts for a module: there or in the nearest folder above it.
pub fn own_file(module: &Path) -> Option<PathBuf> {
    let candidates = module.ancestors().flat_map(|above| FILE_NAMES.map(|name| above.join(name)));
    candidates.into_iter().find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_source_counts() {
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("m");
        fs::create_dir_all(module.join(STORE)).unwrap();
        assert_eq!(Source::find(None, &module).unwrap(), Source::Default);
        fs::write(module.join(STORE).join("current"), "0001\n").unwrap();
        assert_eq!(Source::find(None, &module).unwrap(), Source::Store(module.join(STORE)));
        fs::write(folder.path().join("raceguard-policy.yaml"), "").unwrap();
        let file = folder.path().join("raceguard-policy.yaml");
        assert_eq!(Source::find(None, &module).unwrap(), Source::File(file));
        assert_eq!(Source::find(Some(&module), &module).unwrap(), Source::Folder(module.clone()));
        assert!(matches!(
            Source::find(Some(Path::new("/nowhere.yaml")), &module),
            Err(GateError::File { .. })
        ));
        assert!(matches!(Source::Folder(module).texts(), Err(GateError::Usage { .. })));
    }
}
