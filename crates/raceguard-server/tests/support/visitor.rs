//! Somebody who reads pages and sends their forms without a browser, so without scripts.
#![allow(dead_code, unreachable_pub, reason = "no test file uses all of it")]

use std::cell::RefCell;
use std::collections::BTreeMap;

use raceguard_server::token::Token;

/// A reader with the cookies that the server set.
pub struct Visitor {
    agent: ureq::Agent,
    base: String,
    cookies: RefCell<BTreeMap<String, String>>,
}

/// What came of a request, after redirects.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    /// Where the reader is now.
    pub path: String,
    pub body: String,
}

impl Visitor {
    pub fn new(base: String) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
        Self { agent: config.build().into(), base, cookies: RefCell::default() }
    }

    /// Logs in, as people do.
    pub fn log_in(&self, token: &Token) {
        let login = self.open("/login");
        let page = self.submit(&login, "/login", &[("token", token.reveal())]);
        assert_eq!(page.status, 200, "{page:?}");
    }

    /// Goes to an address.
    pub fn open(&self, path: &str) -> Page {
        self.send("GET", path, String::new())
    }

    /// Fills the form of a page that goes to `action`, and sends it. What is not given stays as the page has it.
    pub fn submit(&self, page: &Page, action: &str, values: &[(&str, &str)]) -> Page {
        self.submit_to(page, action, action, values)
    }

    /// The same with a button that leads elsewhere.
    pub fn submit_to(&self, page: &Page, action: &str, to: &str, values: &[(&str, &str)]) -> Page {
        let form = page.form(action);
        assert!(to == action || form.contains(&format!("formaction=\"{to}\"")), "no button to {to}: {form}");
        let mut fields = hidden_and_filled(form);
        for (name, value) in values {
            assert!(form.contains(&format!("name=\"{name}\"")), "the form has no {name}: {form}");
            fields.insert((*name).to_owned(), (*value).to_owned());
        }
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send("POST", to, body)
    }

    /// Sends a form that no page shows.
    pub fn post(&self, path: &str, body: &str) -> Page {
        self.send("POST", path, body.to_owned())
    }

    fn send(&self, method: &str, path: &str, body: String) -> Page {
        let (mut method, mut path, mut body) = (method.to_owned(), path.to_owned(), body);
        for _ in 0..4 {
            let known = self.cookies.borrow().clone();
            let cookies: Vec<_> = known.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let request = ureq::http::Request::builder()
                .method(&*method)
                .uri(format!("{}{path}", self.base))
                .header("cookie", cookies.join("; "))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body)
                .expect("it is a request");
            let mut answer = self.agent.run(request).expect("it answers");
            for cookie in answer.headers().get_all("set-cookie") {
                let cookie = cookie.to_str().expect("it is text").split(';').next().unwrap_or_default();
                let (name, value) = cookie.split_once('=').expect("it has a name");
                self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
            }
            let text = answer.body_mut().read_to_string().expect("it is text");
            if answer.status() != 303 {
                return Page { status: answer.status().as_u16(), path, body: text };
            }
            let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
            (method, path, body) =
                ("GET".to_owned(), location.expect("it leads on").to_owned(), String::new());
        }
        panic!("{path} leads in a circle");
    }
}

impl Page {
    /// The text of the form that goes to `action`.
    fn form(&self, action: &str) -> &str {
        let start = self.body.find(&format!("action=\"{action}\""));
        let start = start.unwrap_or_else(|| panic!("no form to {action} on {}: {}", self.path, self.body));
        let form = &self.body[start..];
        &form[..form.find("</form>").expect("it ends")]
    }

    pub fn has_form(&self, action: &str) -> bool {
        self.body.contains(&format!("action=\"{action}\""))
    }

    #[track_caller]
    pub fn expect(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.body.contains(part), "no {part} on {} ({}): {}", self.path, self.status, self.body);
        }
    }
}

/// Fields with the values that the page gave them.
fn hidden_and_filled(form: &str) -> BTreeMap<String, String> {
    let attribute = |tag: &str, name: &str| {
        let value = tag.split_once(&format!(" {name}=\""))?.1;
        Some(unescaped(value.split('"').next().unwrap_or_default()))
    };
    let inputs = form.split("<input").skip(1).filter_map(|input| {
        let tag = input.split('>').next().unwrap_or_default();
        Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))
    });
    let areas = form.split("<textarea").skip(1).filter_map(|area| {
        let (tag, rest) = area.split_once('>')?;
        Some((attribute(tag, "name")?, unescaped(rest.split("</textarea>").next().unwrap_or_default())))
    });
    inputs.chain(areas).collect()
}

fn unescaped(text: &str) -> String {
    let entities = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}
