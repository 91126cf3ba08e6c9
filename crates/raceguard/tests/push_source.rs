//! From a race in an example to the page that shows it, with the source of both stacks.

mod serve_support;
mod support;

use serve_support::{Running, client, get, text, token};
use support::GoModule;

/// The example, copied, so that its evidence does not lie in the working tree.
fn example() -> GoModule {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/map-iterate-write");
    let files: Vec<(String, String)> = std::fs::read_dir(root)
        .expect("it is there")
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| {
            let name = entry.file_name().into_string().expect("it is text");
            (name, std::fs::read_to_string(entry.path()).expect("it reads"))
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    GoModule::new(&files)
}

/// A page as somebody sees it who is logged in.
fn page(base: &str, token: &str, path: &str) -> String {
    let form = client()
        .post(format!("{base}/login"))
        .header("content-type", "application/x-www-form-urlencoded")
        .send(format!("token={token}&next=/"))
        .expect("it answers");
    let cookie = form.headers().get("set-cookie").and_then(|value| value.to_str().ok()).expect("it is set");
    let cookie = cookie.split(';').next().expect("it has a value");
    let mut page = client().get(format!("{base}{path}")).header("cookie", cookie).call().expect("it answers");
    page.body_mut().read_to_string().expect("it is text")
}

/// The source on a page, line by line, without markup.
fn sources(page: &str) -> Vec<String> {
    let figures = page.split("<figure class=\"source\">").skip(1);
    figures
        .map(|figure| {
            let figure = figure.split("</figure>").next().unwrap_or_default();
            let mut text = String::new();
            for piece in figure.split('<').skip(1) {
                text.push_str(piece.split_once('>').map_or("", |(_, behind)| behind));
            }
            text.replace("&lt;", "<").replace("&#60;", "<").replace("&amp;", "&").replace("&#38;", "&")
        })
        .collect()
}

#[test]
fn what_is_pushed_from_a_run_shows_its_source_unless_that_is_not_wanted() {
    let module = example();
    let ended = module.raceguard(&["test", "./..."]);
    assert_eq!(ended.code, 1, "{ended}");
    for with_source in [true, false] {
        let data = tempfile::tempdir().expect("there is room");
        let (write, read) = (token(data.path(), "write"), token(data.path(), "read"));
        let server = Running::on(data.path(), 0);
        let base = server.base();
        let mut push = module.command(&["push", "--server", &base, "--token", &write, "--service", "chat"]);
        if !with_source {
            push.arg("--no-source");
        }
        let output = push.output().expect("it runs");
        assert!(output.status.success() && !text(&output).contains("no source"), "{}", text(&output));
        let findings = get(&base, &read, "/v1/findings");
        let race = findings["findings"]
            .as_array()
            .and_then(|found| found.iter().find(|finding| finding["kind"] == "race"))
            .expect("it has the race");
        let fingerprint = race["fingerprint"].as_str().expect("it is text");
        let page = page(&base, &read, &format!("/findings/{fingerprint}"));
        let shown = sources(&page);
        if with_source {
            // Both accesses, and the go statements.
            assert!(shown.len() >= 4, "{shown:?}\n{page}");
            for line in ["for _, member := range r.members {", "delete(r.members, name)"] {
                assert!(shown.iter().any(|source| source.contains(line)), "{line}: {shown:?}");
            }
            assert!(page.contains("<span class=\"line hit\">"), "{page}");
        } else {
            assert_eq!(shown, Vec::<String>::new());
        }
    }
}
