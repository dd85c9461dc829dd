//! Paths of the user's own files: whole from the beginning, since commands that come later are typed elsewhere.

use super::entry::{Entry, Value};
use continuum_common::user::home;
use std::path::{Path, PathBuf, absolute};

const DIRECTORIES: [&str; 1] = ["benchmark.dataset"];
/// Those that may be names of images, too.
const IMAGES: [&str; 2] = ["benchmark.worker_image", "benchmark.endpoint_image"];
/// A list of such, as `NAME=IMAGE`.
const NAMED_IMAGES: &str = "software.openfaas_images";
/// What nobody calls an image, and an archive may be called.
const ARCHIVES: [&str; 5] = [".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst"];

/// Whether a text stands for a file: names of images begin with a letter or a digit, and end otherwise.
pub fn is_file(image: &str) -> bool {
    let lower = image.to_ascii_lowercase();
    image.starts_with(['/', '.', '~']) || ARCHIVES.iter().any(|ending| lower.ends_with(ending))
}

/// What is written in a file counts from its directory, if it has one; what is given with `--set` from where that was typed.
pub(super) fn settle(entries: &mut [Entry], dir: Option<&Path>) {
    let here = PathBuf::new();
    for entry in entries {
        let path = entry.path.as_str();
        let base = if entry.place.line == 0 {
            Some(here.as_path())
        } else {
            dir
        };
        let Some(base) = base else {
            continue;
        };
        match &mut entry.value {
            Value::Text(text) if DIRECTORIES.contains(&path) && !text.is_empty() => {
                *text = whole(base, text);
            }
            Value::Text(text) if IMAGES.contains(&path) && is_file(text) => {
                *text = whole(base, text);
            }
            Value::List(list) if path == NAMED_IMAGES => {
                for pair in list {
                    if let Some((name, image)) = pair.split_once('=')
                        && is_file(image)
                    {
                        *pair = format!("{name}={}", whole(base, image));
                    }
                }
            }
            _ => {}
        }
    }
}

fn whole(base: &Path, text: &str) -> String {
    let home = text.strip_prefix("~/").zip(home());
    let path = match home {
        Some((rest, home)) => home.join(rest),
        None => base.join(text),
    };
    let whole = absolute(&path).unwrap_or(path);
    // A name that is no text stays as it was written.
    whole
        .to_str()
        .map_or_else(|| text.to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Place;

    fn settled(path: &str, text: &str, line: usize, dir: Option<&str>) -> String {
        let place = Place {
            line,
            ..Place::default()
        };
        let value = if path == NAMED_IMAGES {
            Value::List(vec![text.to_owned()])
        } else {
            Value::Text(text.to_owned())
        };
        let mut entries = [Entry {
            path: path.to_owned(),
            value,
            place,
        }];
        settle(&mut entries, dir.map(Path::new));
        entries[0].value.to_string()
    }

    #[test]
    fn paths_count_from_where_they_are_written() {
        let of_file = |text| settled("benchmark.dataset", text, 3, Some("/lab"));
        assert_eq!(of_file("photos"), "/lab/photos");
        assert_eq!(of_file("./photos/"), "/lab/photos/");
        assert_eq!(of_file("/srv/photos"), "/srv/photos");
        let home = std::env::var("HOME").unwrap();
        assert_eq!(of_file("~/photos"), format!("{home}/photos"));
        // Of a text that is no file nothing is known.
        assert_eq!(settled("benchmark.dataset", "photos", 3, None), "photos");
        let here = std::env::current_dir().unwrap().join("photos");
        let typed = settled("benchmark.dataset", "photos", 0, Some("/lab"));
        assert_eq!(Path::new(&typed), here);
    }

    #[test]
    fn archives_are_files_and_names_of_images_are_not() {
        let image = |text| settled("benchmark.worker_image", text, 3, Some("/lab"));
        assert_eq!(image("app.tar"), "/lab/app.tar");
        assert_eq!(image("./app.tgz"), "/lab/app.tgz");
        assert_eq!(image("app.TAR"), "/lab/app.TAR");
        for name in ["example.org/app:1", "busybox", "10.0.0.1:5000/tar"] {
            assert_eq!(image(name), name);
        }
        let named = |text| settled(NAMED_IMAGES, text, 3, Some("/lab"));
        assert_eq!(named("nats=./nats.tar"), "nats=/lab/nats.tar");
        assert_eq!(named("nats=example.org/nats:2"), "nats=example.org/nats:2");
        assert_eq!(settled("name", "./lab.tar", 1, Some("/lab")), "./lab.tar");
    }
}
