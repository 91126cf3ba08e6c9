//! How a reader wants the pages: language and colours, from the address, a cookie, or what the browser says.

use axum::http::header::{ACCEPT_LANGUAGE, COOKIE};
use axum::http::{HeaderMap, Uri};

use super::text::{EN, Text, ZH};

/// A language of the pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Language {
    /// English.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

/// Which colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Theme {
    /// As the system has them.
    #[default]
    System,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// What a reader wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    pub(crate) language: Language,
    pub(crate) theme: Theme,
}

/// The cookies that keep them.
const LANGUAGE_COOKIE: &str = "raceguard_lang";
const THEME_COOKIE: &str = "raceguard_theme";

impl Language {
    fn named(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "zh" => Some(Self::Chinese),
            _ => None,
        }
    }

    /// The tag of BCP 47.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// Its messages.
    pub(crate) fn text(self) -> &'static Text {
        match self {
            Self::English => &EN,
            Self::Chinese => &ZH,
        }
    }

    /// The best of an `Accept-Language` header.
    fn accepted(header: &str) -> Option<Self> {
        let weighted = header.split(',').filter_map(|part| {
            let (tag, parameters) = part.split_once(';').unwrap_or((part, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f64>).ok()?;
            Some((Self::named(tag.trim())?, weight)).filter(|_| weight > 0.0)
        });
        // Of equals the first.
        weighted
            .fold(None, |best: Option<(Self, f64)>, next| match best {
                Some(best) if best.1 >= next.1 => Some(best),
                _ => Some(next),
            })
            .map(|(language, _)| language)
    }
}

impl Theme {
    fn named(name: &str) -> Option<Self> {
        match name {
            "system" => Some(Self::System),
            "light" => Some(Self::Light),
            "dark" => Some(Self::Dark),
            _ => None,
        }
    }

    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

impl Preferences {
    /// Those of a request.
    pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let asked = Self::asked(uri);
        let language = asked
            .0
            .or_else(|| Language::named(&cookie(headers, LANGUAGE_COOKIE)?))
            .or_else(|| Language::accepted(headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?));
        let theme = asked.1.or_else(|| Theme::named(&cookie(headers, THEME_COOKIE)?));
        Self { language: language.unwrap_or_default(), theme: theme.unwrap_or_default() }
    }

    /// What the address asks for.
    fn asked(uri: &Uri) -> (Option<Language>, Option<Theme>) {
        let mut asked = (None, None);
        for (name, value) in
            uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='))
        {
            match name {
                "lang" => asked.0 = Language::named(value),
                "theme" => asked.1 = Theme::named(value),
                _ => {}
            }
        }
        asked
    }

    /// The cookies that keep what the address asks for.
    pub(crate) fn cookies(uri: &Uri) -> Vec<String> {
        let (language, theme) = Self::asked(uri);
        let kept = [(LANGUAGE_COOKIE, language.map(Language::tag)), (THEME_COOKIE, theme.map(Theme::as_str))];
        let kept = kept.into_iter().filter_map(|(name, value)| Some((name, value?)));
        kept.map(|(name, value)| {
            format!("{name}={value}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict")
        })
        .collect()
    }
}

/// The cookie of this name.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let headers = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    let mut pairs =
        headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str, headers: &[(axum::http::HeaderName, &str)]) -> Preferences {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("it is one")));
        Preferences::of(&uri.parse().expect("it is one"), &headers.collect())
    }

    #[test]
    fn the_address_wins_over_the_cookie_and_that_over_the_browser() {
        let browser = (ACCEPT_LANGUAGE, "de, en;q=0.5, zh-TW;q=0.9, zh;q=0");
        let kept = (COOKIE, "a=b; raceguard_lang=en; raceguard_theme=dark");
        assert_eq!(of("/", &[]), Preferences::default());
        assert_eq!(of("/", std::slice::from_ref(&browser)).language, Language::Chinese);
        let with_cookie = of("/", &[browser.clone(), kept.clone()]);
        assert_eq!((with_cookie.language, with_cookie.theme), (Language::English, Theme::Dark));
        let asked = of("/?theme=light&lang=zh", &[browser, kept]);
        assert_eq!((asked.language, asked.theme), (Language::Chinese, Theme::Light));
        assert_eq!(of("/?lang=%3Cscript%3E&theme=x", &[]), Preferences::default());
    }

    #[test]
    fn only_what_the_address_asks_for_is_kept() {
        let uri = "/causes?lang=zh-Hans".parse().expect("it is one");
        let cookies = Preferences::cookies(&uri);
        assert_eq!(cookies.len(), 1);
        assert!(cookies[0].starts_with("raceguard_lang=zh-CN;"), "{cookies:?}");
    }
}
