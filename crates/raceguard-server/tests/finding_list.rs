//! The page of findings: filtered, ordered and cut into pages, on both back ends.

mod support;
#[path = "support/visitor.rs"]
mod visitor;

use std::collections::BTreeSet;

use raceguard_server::limits::Limits;
use raceguard_server::store::{Place, Store};
use raceguard_server::token::Role;
use support::{Backend, Running, Scratch, token};
use visitor::{Page, Visitor};

/// Makes as many findings as a fleet has: every third one is a crash, many were seen at the same time and as often.
fn fill(place: &Place, count: u64) {
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {count})
         INSERT INTO finding (fingerprint, kind, title, first_ms, last_ms, occurrences, exemplar)
         SELECT 'RG1-' || CAST(i AS TEXT), CASE WHEN i % 3 = 0 THEN 'crash' ELSE 'race' END,
                CASE WHEN i % 40 = 0 THEN 'ÄRGER in (*Cart).Put ' ELSE 'calm ' END || CAST(i AS TEXT),
                1000 + i, 900000000 - i % 7, i % 5, '{{}}' FROM n"
    );
    let place = place.clone();
    let filled = std::thread::spawn(move || Store::change(&place, |connection| connection.run_script(&sql)));
    filled.join().expect("it runs").expect("it is filled");
}

/// The numbers of the findings on a page, in its order.
fn numbers(page: &Page) -> Vec<u64> {
    let links = page.body.split("href=\"/findings/RG1-").skip(1);
    links.map(|link| link.split('"').next().unwrap_or_default().parse().expect("it is a number")).collect()
}

/// All pages from this one on, as somebody sees them who follows the link to the next.
fn follow(visitor: &Visitor, path: &str) -> Vec<Vec<u64>> {
    let (mut pages, mut path) = (Vec::new(), path.to_owned());
    loop {
        let page = visitor.open(&path);
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        pages.push(numbers(&page));
        let next = page.body.split("rel=\"next\"").next().filter(|before| before.len() < page.body.len());
        let Some(before) = next else { return pages };
        let address = before.rsplit("href=\"").next().and_then(|it| it.split('"').next());
        path = address.expect("the link leads somewhere").replace("&#38;", "&");
    }
}

async fn started(scratch: &Scratch) -> (Running, Visitor) {
    let read = token(scratch.place(), Role::Read);
    let server = Running::start(scratch.place(), Limits::default()).await;
    let visitor = Visitor::new(format!("http://{}", server.address));
    tokio::task::block_in_place(|| visitor.log_in(&read));
    (server, visitor)
}

async fn each_finding_is_on_one_page(backend: Backend) {
    const COUNT: u64 = 237;
    let scratch = Scratch::new(backend);
    drop(token(scratch.place(), Role::Write));
    fill(scratch.place(), COUNT);
    let (server, visitor) = started(&scratch).await;
    tokio::task::block_in_place(|| {
        let key = |order: &'static str| {
            move |n: &u64| match order {
                "first" => std::cmp::Reverse(1000 + n),
                "count" => std::cmp::Reverse(n % 5),
                _ => std::cmp::Reverse(900_000_000 - n % 7),
            }
        };
        for order in ["", "first", "count"] {
            for (kind, text) in
                [("", ""), ("crash", ""), ("race", ""), ("", "%C3%A4rger"), ("crash", "put+"), ("", "rg1-1")]
            {
                let holds = |n: &u64| {
                    let angry = n.is_multiple_of(40);
                    (kind.is_empty() || (kind == "crash") == n.is_multiple_of(3))
                        && match text {
                            "" => true,
                            "rg1-1" => n.to_string().starts_with('1'),
                            _ => angry,
                        }
                };
                let mut expected: Vec<u64> = (1..=COUNT).filter(holds).collect();
                // Of equals the one that is there longest.
                expected.sort_by_key(key(order));
                let path = format!("/findings?q={text}&kind={kind}&sort={order}");
                let pages = follow(&visitor, &path);
                assert_eq!(pages.concat(), expected, "{path}");
                assert!(pages.iter().rev().skip(1).all(|page| page.len() == 50), "{path}");
                let total = format!("<h2>{} ", expected.len());
                visitor.open(&path).expect(&[&total]);
            }
        }
        // Beyond the end there is the last page, and back from there the one before it.
        let last = visitor.open("/findings?page=99");
        assert_eq!(numbers(&last).len(), 37);
        last.expect(&["page=3", "rel=\"prev\""]);
        for nonsense in ["page=-1", "page=x", "page=18446744073709551615", "sort=x&page=0", "page="] {
            let page = visitor.open(&format!("/findings?{nonsense}"));
            assert!(!numbers(&page).is_empty(), "{nonsense}: {}", page.body);
        }
        for nothing in ["q=nothing+of+the+kind", "kind=none", "q=%25", "q=_&kind=crash", "q='"] {
            let page = visitor.open(&format!("/findings?{nothing}"));
            assert_eq!((page.status, numbers(&page)), (200, Vec::new()), "{nothing}");
        }
    });
    server.stop().await;
}

on_both!(each_finding_is_on_one_page);

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_searched_is_said() {
    const COUNT: u64 = 100_400;
    let scratch = Scratch::new(Backend::Sqlite);
    drop(token(scratch.place(), Role::Write));
    fill(scratch.place(), COUNT);
    let (server, visitor) = started(&scratch).await;
    tokio::task::block_in_place(|| {
        let all: BTreeSet<u64> =
            follow(&visitor, "/findings?kind=crash&sort=count&page=660").concat().into_iter().collect();
        assert_eq!(all.len() as u64, COUNT / 3 - 660 * 50);
        let page = visitor.open("/findings?q=calm&sort=first");
        page.expect(&["notice warn", "100,000"]);
        assert_eq!(numbers(&page)[0], COUNT - 1);
        // With a kind there are fewer to look through.
        let page = visitor.open("/findings?q=calm&kind=crash");
        assert!(!page.body.contains("notice warn"), "{}", page.body);
    });
    server.stop().await;
}
