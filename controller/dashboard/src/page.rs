//! The files of the page, inside the program: it needs no network and no folder beside it.

/// Path, media type, content.
type File = (&'static str, &'static str, &'static str);

const FILES: [File; 15] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_str!("../page/index.html"),
    ),
    (
        "/style.css",
        "text/css; charset=utf-8",
        include_str!("../page/style.css"),
    ),
    ("/app.js", JAVASCRIPT, include_str!("../page/app.js")),
    (
        "/figures.js",
        JAVASCRIPT,
        include_str!("../page/figures.js"),
    ),
    ("/figure.js", JAVASCRIPT, include_str!("../page/figure.js")),
    (
        "/application.js",
        JAVASCRIPT,
        include_str!("../page/application.js"),
    ),
    ("/links.js", JAVASCRIPT, include_str!("../page/links.js")),
    (
        "/functions.js",
        JAVASCRIPT,
        include_str!("../page/functions.js"),
    ),
    (
        "/cluster.js",
        JAVASCRIPT,
        include_str!("../page/cluster.js"),
    ),
    ("/plots.js", JAVASCRIPT, include_str!("../page/plots.js")),
    (
        "/topology.js",
        JAVASCRIPT,
        include_str!("../page/topology.js"),
    ),
    ("/panels.js", JAVASCRIPT, include_str!("../page/panels.js")),
    (
        "/uplot.js",
        JAVASCRIPT,
        include_str!("../page/vendor/uplot.min.js"),
    ),
    (
        "/uplot.css",
        "text/css; charset=utf-8",
        include_str!("../page/vendor/uplot.min.css"),
    ),
    (
        "/favicon.svg",
        "image/svg+xml",
        include_str!("../page/favicon.svg"),
    ),
];

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Media type and content of a path.
pub(crate) fn file(path: &str) -> Option<(&'static str, &'static str)> {
    let file = FILES.iter().find(|(name, ..)| *name == path)?;
    Some((file.1, file.2))
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    /// As its package of version 1.6.32 has them.
    #[test]
    fn uplot_is_as_it_was_published() {
        let files = [
            (
                include_str!("../page/vendor/uplot.min.js"),
                "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
            ),
            (
                include_str!("../page/vendor/uplot.min.css"),
                "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
            ),
        ];
        for (content, sha256) in files {
            let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(content));
            assert_eq!(digest, sha256, "{} bytes", content.len());
        }
    }

    /// The policy that the page is served with would stop it.
    #[test]
    fn the_page_has_no_script_and_no_style_of_its_own() {
        let page = include_str!("../page/index.html");
        for part in page.split("<script").skip(1) {
            assert!(part.trim_start().starts_with("src="), "{part:.60}");
        }
        assert!(!page.contains("<style"), "an inline style sheet");
        for word in [" onclick=", " onload=", " style=", "http://", "https://"] {
            assert!(!page.contains(word), "{word}");
        }
    }
}
