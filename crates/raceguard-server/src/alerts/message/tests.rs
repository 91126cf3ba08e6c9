//! What receivers are told, in each form.

use serde_json::Value;

use super::*;

fn alert(title: &str) -> NoticeAlert {
    NoticeAlert {
        title: title.to_owned(),
        link: "/causes/7".to_owned(),
        ..Notice::test("x", 0).firing.remove(0)
    }
}

fn receiver(kind: &str) -> Receiver {
    let settings = format!(r#"{{"name": "chat", "kind": "{kind}", "url": "https://chat.example/hook"}}"#);
    serde_json::from_str::<Receiver>(&settings).expect("it is one").checked().expect("it makes sense")
}

fn body(receiver: &Receiver, notice: &Notice) -> Value {
    let message = message(receiver, notice, 12, Some("https://raceguard.example"), 1_700_000_000_000);
    serde_json::from_str(&message.body).expect("it is JSON")
}

#[test]
fn evidence_makes_no_markup_in_any_message() {
    let hostile = alert("<!channel> [x](http://evil.example) **b** `c` <at id=all></at>");
    let notice = Notice::new(BTreeMap::new(), vec![hostile], Vec::new());
    for (kind, at, absent) in [
        ("slack", "/attachments/0/blocks/0/text/text", "<!channel>"),
        ("teams", "/attachments/0/content/body/1/text", "[x](http"),
        ("lark", "/card/elements/0/content", "<at id"),
        ("wecom", "/markdown/content", "[x](http"),
        ("dingtalk", "/markdown/text", " [x](http"),
    ] {
        let body = body(&receiver(kind), &notice);
        let text = body.pointer(at).and_then(Value::as_str).unwrap_or_else(|| panic!("{kind}: {body}"));
        assert!(
            text.contains("https://raceguard.example/causes/7") && text.contains("evil.example"),
            "{kind}: {text}"
        );
        assert!(!text.contains(absent), "{kind}: {text}");
    }
}

#[test]
fn a_long_notice_says_how_much_is_left_out_and_fits() {
    let mut many: Vec<_> = (0..40).map(|number| alert(&format!("race {number}"))).collect();
    for alert in &mut many {
        alert.text = "ä".repeat(8_000);
    }
    let notice = Notice::new(BTreeMap::new(), many, vec![alert("old")]);
    assert_eq!((notice.firing.len(), notice.firing_count), (10, 40));
    let limits =
        [("slack", 6_000), ("lark", 20_000), ("wecom", 4_200), ("dingtalk", 20_000), ("teams", 28_000)];
    for (kind, limit) in limits {
        let length = message(&receiver(kind), &notice, 1, None, 0).body.len();
        assert!(length <= limit, "{kind}: {length}");
    }
    assert!(lines(&notice, None, &slack::Mrkdwn).contains("and 30 more"));
    assert_eq!(notice.title(), "[P3] 40 alerts, the worst: race 0");
}

#[test]
fn a_template_of_ones_own_is_used_and_bounded() {
    let own = "{{ title }}: {% for alert in firing %}{{ alert.labels.service }} {% endfor %}{{ base }}";
    let receiver =
        Receiver { template: Some(own.to_owned()), ..receiver("slack") }.checked().expect("it works");
    let body = body(&receiver, &Notice::test("chat", 0));
    let text = body.pointer("/attachments/0/blocks/0/text/text").and_then(Value::as_str);
    let expected = "[P3] Test message to the receiver chat: raceguard https://raceguard.example";
    assert_eq!(text, Some(expected));
    for wrong in [
        "{% for x in range(100000) %}{% for y in range(100000) %}x{% endfor %}{% endfor %}",
        "{{ nothing }}",
        "{% if",
    ] {
        let error = check_template(wrong).expect_err("it can't be used");
        assert!(error.to_string().starts_with("the template can't be used"), "{error}");
    }
}

#[test]
fn signatures_are_where_each_place_wants_them() {
    let secret: super::super::receiver::Secret = serde_json::from_str("\"s\"").expect("it is one");
    let signed = |kind: &str| Receiver { secret: Some(secret.clone()), ..receiver(kind) };
    let notice = Notice::test("chat", 0);
    let lark = body(&signed("feishu"), &notice);
    assert_eq!(lark["timestamp"], "1700000000");
    assert_eq!(lark["sign"].as_str().map(str::len), Some(44));
    let dingtalk = message(&signed("dingtalk"), &notice, 1, None, 5);
    assert!(dingtalk.query.is_some_and(|query| query.starts_with("timestamp=5&sign=")));
    let generic = message(&signed("generic"), &notice, 9, None, 5);
    assert!(generic.headers.iter().any(|(name, value)| *name == "raceguard-signature" && value.len() == 71));
    assert!(generic.headers.contains(&("raceguard-delivery", "9".to_owned())));
}

#[test]
fn a_refusal_in_the_body_is_a_refusal() {
    assert_eq!(refused(Kind::Dingtalk, r#"{"errcode":0,"errmsg":"ok"}"#), None);
    let why = refused(Kind::Wecom, r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#);
    assert_eq!(why.as_deref(), Some("errcode 93000: invalid webhook url"));
    assert_eq!(
        refused(Kind::Lark, r#"{"code":19021,"msg":"sign match fail"}"#).as_deref(),
        Some("code 19021: sign match fail")
    );
    assert_eq!(refused(Kind::Slack, "ok"), None);
}
