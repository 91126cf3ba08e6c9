//! Source paths as evidence holds them: where they lie, how they are shown, and whose code they are.

use std::path::{Path, PathBuf};

use crate::frame::Frame;

/// Whose code a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The module under test, or another module of the user's workspace.
    User,
    /// A module that was downloaded or vendored.
    Dependency,
    /// Go's standard library, its runtime, and the generated main of a test.
    Standard,
}

impl Origin {
    /// One word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Dependency => "dependency",
            Self::Standard => "standard",
        }
    }
}

/// The module a run belongs to, as far as paths need it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModulePaths {
    module: String,
    module_dir: String,
}

impl ModulePaths {
    /// The module with import path `module` in the absolute folder `module_dir`; either may be empty.
    pub fn new(module: &str, module_dir: &str) -> Self {
        Self { module: module.to_owned(), module_dir: module_dir.trim_end_matches('/').to_owned() }
    }

    /// Folder of the module, without a slash at its end; empty when unknown.
    pub fn module_dir(&self) -> &str {
        &self.module_dir
    }

    /// The file relative to the module when it lies inside, else as it is.
    pub fn relative<'a>(&self, file: &'a str) -> &'a str {
        self.inside(file).unwrap_or(file)
    }

    /// The file on disk. Paths that `-trimpath` made of the module's import path lead back into its folder, and
    /// so do paths that `strip_path_prefix` made relative.
    pub fn locate(&self, file: &str) -> PathBuf {
        match self.inside(file) {
            Some(inside) if !self.module_dir.is_empty() => Path::new(&self.module_dir).join(inside),
            _ => PathBuf::from(file),
        }
    }

    /// Path inside the module, when the file lies there.
    fn inside<'a>(&self, file: &'a str) -> Option<&'a str> {
        let below = |folder: &str| {
            if folder.is_empty() { None } else { file.strip_prefix(folder)?.strip_prefix('/') }
        };
        if let Some(inside) = below(&self.module_dir) {
            return Some(inside);
        }
        if file.starts_with('/') {
            return None;
        }
        below(&self.module).or_else(|| {
            let relative = file.strip_prefix("./").unwrap_or(file);
            let trimmed_elsewhere = first_element(relative).contains('.') && relative.contains('/');
            (!relative.is_empty() && !relative.starts_with('<') && !trimmed_elsewhere).then_some(relative)
        })
    }

    /// Whose code the frame is, by its package and its file.
    pub fn origin(&self, frame: &Frame) -> Origin {
        let package = frame.name().package();
        if frame.file.ends_with("_testmain.go") {
            return Origin::Standard;
        }
        if matches!(&*package, "main" | "command-line-arguments") || self.owns_package(&package) {
            return Origin::User;
        }
        // Downloaded modules lie in folders named `module@version`.
        if frame.file.contains("/vendor/") || frame.file.contains('@') {
            return Origin::Dependency;
        }
        let in_module_dir = self.inside(&frame.file).is_some() && frame.file.starts_with('/');
        if in_module_dir {
            return Origin::User;
        }
        if !first_element(&package).contains('.') {
            return Origin::Standard;
        }
        if frame.file.starts_with('/') { Origin::User } else { Origin::Dependency }
    }

    fn owns_package(&self, package: &str) -> bool {
        let package = package.strip_suffix("_test").unwrap_or(package);
        !self.module.is_empty()
            && package
                .strip_prefix(self.module.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn first_element(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module() -> ModulePaths {
        ModulePaths::new("example.com/m", "/home/u/m/")
    }

    #[test]
    fn files_inside_the_module_are_relative() {
        let module = module();
        assert_eq!(module.relative("/home/u/m/pkg/a.go"), "pkg/a.go");
        assert_eq!(module.relative("/home/u/m2/a.go"), "/home/u/m2/a.go");
        assert_eq!(module.relative("example.com/m/pkg/a.go"), "pkg/a.go");
        assert_eq!(module.relative("github.com/x/y@v1.2.3/a.go"), "github.com/x/y@v1.2.3/a.go");
        assert_eq!(ModulePaths::default().relative("/a/b.go"), "/a/b.go");
    }

    #[test]
    fn trimmed_and_relative_files_are_found_in_the_module() {
        let module = module();
        for file in ["/home/u/m/pkg/a.go", "example.com/m/pkg/a.go", "pkg/a.go", "./pkg/a.go"] {
            assert_eq!(module.locate(file), Path::new("/home/u/m/pkg/a.go"), "{file}");
        }
        assert_eq!(module.locate("/go/src/fmt/print.go"), Path::new("/go/src/fmt/print.go"));
        assert_eq!(module.locate("<autogenerated>"), Path::new("<autogenerated>"));
    }

    #[test]
    fn origin_follows_package_then_file() {
        let module = module();
        for (function, file, origin) in [
            ("example.com/m/pkg.F", "/home/u/m/pkg/a.go", Origin::User),
            ("example.com/m_test.TestF", "/home/u/m/a_test.go", Origin::User),
            ("main.main", "/home/u/m/cmd/a.go", Origin::User),
            ("main.main", "_testmain.go", Origin::Standard),
            ("example.com/other.F", "/home/u/other/a.go", Origin::User),
            ("example.com/mm.F", "/c/pkg/mod/example.com/mm@v1.0.0/a.go", Origin::Dependency),
            ("github.com/x/y.F", "/home/u/m/vendor/github.com/x/y/a.go", Origin::Dependency),
            ("github.com/x/y.F", "github.com/x/y@v1.0.0/a.go", Origin::Dependency),
            ("net/http.(*conn).serve", "/usr/local/go/src/net/http/server.go", Origin::Standard),
            ("tools.F", "/home/u/m/tools/a.go", Origin::User),
        ] {
            assert_eq!(module.origin(&Frame::new(function, file, 1)), origin, "{function} {file}");
        }
    }
}
