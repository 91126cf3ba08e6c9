//! The real disk: what [`FileSystem`] does where a disk is not just files and directories.

use std::fs;
use std::path::Path;
use std::process::Command;

use raceguard_analyzer::source::{
    BuildContext, EntryKind, Environment, FileSystem, LoadOptions, Loaded, SourceTree, TreeErrorKind, load,
};

fn load_all(directory: &Path) -> Loaded {
    let environment = Environment::new(directory);
    let (build, options) = (BuildContext::default(), LoadOptions::default());
    load(&FileSystem, &environment, &build, &[], &options, &mut |_| {})
}

#[test]
fn files_are_read_up_to_the_limit() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("a.go");
    fs::write(&path, "package a\n").expect("written");
    assert_eq!(FileSystem.read(&path, 10).as_deref(), Ok(b"package a\n".as_slice()));
    let kind = |path: &Path, limit| FileSystem.read(path, limit).map_err(|error| error.kind);
    assert_eq!(kind(&path, 9), Err(TreeErrorKind::TooLarge(10)));
    assert_eq!(kind(&directory.path().join("b.go"), 9), Err(TreeErrorKind::NotFound));
    assert_eq!(kind(&path.join("c.go"), 9), Err(TreeErrorKind::NotFound));
    assert_eq!(kind(directory.path(), 9), Err(TreeErrorKind::NotAFile));
}

/// Files whose length is not what their metadata says are read whole, and no further than the limit.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_longer_than_it_says_is_read_whole() {
    let status = Path::new("/proc/self/status");
    let bytes = FileSystem.read(status, 1 << 20).expect("it is there");
    assert!(bytes.starts_with(b"Name:") && bytes.ends_with(b"\n"));
    let error = FileSystem.read(status, 10).expect_err("it has more than ten bytes");
    assert!(matches!(error.kind, TreeErrorKind::TooLarge(_)));
}

#[cfg(unix)]
#[test]
fn links_pipes_and_circles_do_no_harm() {
    use std::os::unix::fs::symlink;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path().canonicalize().expect("it exists");
    fs::create_dir(root.join("a")).expect("made");
    fs::write(root.join("go.mod"), "module m\n").expect("written");
    fs::write(root.join("a/a.go"), "package a\n").expect("written");
    symlink("a.go", root.join("a/b.go")).expect("linked");
    symlink("c.go", root.join("a/c.go")).expect("linked");
    symlink("..", root.join("a/up")).expect("linked");
    let pipe = Command::new("mkfifo").arg(root.join("a/pipe.go")).status();
    assert!(pipe.is_ok_and(|status| status.success()), "mkfifo is part of every Unix");

    let mut kinds: Vec<(String, EntryKind)> = FileSystem
        .list(&root.join("a"))
        .expect("listed")
        .into_iter()
        .map(|entry| (entry.name.to_string_lossy().into_owned(), entry.kind))
        .collect();
    kinds.sort_by(|left, right| left.0.cmp(&right.0));
    let expected = [
        ("a.go", EntryKind::File),
        ("b.go", EntryKind::Symlink),
        ("c.go", EntryKind::Symlink),
        ("pipe.go", EntryKind::Other),
        ("up", EntryKind::Symlink),
    ];
    assert_eq!(kinds, expected.map(|(name, kind)| (name.to_owned(), kind)));
    assert_eq!(FileSystem.metadata(&root.join("a/up")).expect("a directory").canonical, root);
    let error = FileSystem.read(&root.join("a/c.go"), 10).expect_err("a circle");
    assert_eq!(error.kind, TreeErrorKind::SymlinkLoop);

    let loaded = load_all(&root);
    let names: Vec<&str> = loaded
        .packages
        .iter()
        .flat_map(|package| &package.files)
        .map(|file| file.relative.as_str())
        .collect();
    assert_eq!(names, ["a/a.go", "a/b.go"]);
    let places: Vec<&Path> = loaded.problems.iter().map(|problem| problem.path.as_path()).collect();
    assert_eq!(places, [root.join("a/c.go"), root.join("a/pipe.go"), root.join("a/up")]);
    assert_eq!(loaded.losses(), 2, "the link to a directory around it loses nothing");
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (file, closed) = (directory.path().join("a.go"), directory.path().join("closed"));
    fs::write(&file, "package a\n").expect("written");
    fs::create_dir(&closed).expect("made");
    for path in [&file, &closed] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o0)).expect("changed");
    }
    if fs::read(&file).is_ok() {
        eprintln!("this user may read everything: nothing to see");
        return;
    }
    let loaded = load_all(directory.path());
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("changed back");
    let places: Vec<&Path> = loaded.problems.iter().map(|problem| problem.path.as_path()).collect();
    assert_eq!(places, [file, closed]);
    assert_eq!(loaded.losses(), 2);
}
