//! The guest's kernel and initial RAM disk, made for a machine that is known: one disk, one file system, no probing.
//! Debian's own initial RAM disk costs an emulated guest ten seconds and more.

use crate::{SOURCE_DATE_EPOCH, error::ImageError, sandbox::Sandbox};
use minijinja::{Environment, UndefinedBehavior, context};
use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
};

/// The first program of a guest, as a template.
pub(crate) const INIT: &str = include_str!("../templates/init.j2");
const BUSYBOX: &str = "usr/bin/busybox";
/// Programs that `init.j2` calls.
const APPLETS: [&str; 7] = ["sh", "mount", "insmod", "sleep", "echo", "[", "switch_root"];
const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
const LINK: u32 = 0o120_777;

/// Unpacks all kernel modules: packed ones are unpacked at every load in every guest.
pub(crate) fn unpack_modules(tree: &Path, version: &str) -> Result<(), ImageError> {
    let dir = format!("/usr/lib/modules/{version}");
    Sandbox::new("unpack kernel modules", tree, true)
        .command([
            "find",
            &dir,
            "-name",
            "*.ko.xz",
            "-exec",
            "xz",
            "--decompress",
            "{}",
            "+",
        ])
        .run()?;
    Sandbox::new("index kernel modules", tree, true)
        .command(["depmod", version])
        .run()
        .map(|_| ())
}

/// Files of the named modules and of those they need, in the order of loading, below the modules' directory.
fn load_order(dependencies: &str, wanted: &[String]) -> Result<Vec<PathBuf>, ImageError> {
    let stem = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.split('.').next().unwrap_or(name).replace('-', "_")
    };
    let mut order: Vec<PathBuf> = Vec::new();
    for name in wanted {
        let (file, needs) = dependencies
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(file, _)| stem(file) == *name)
            .ok_or_else(|| ImageError::Missing {
                what: format!("kernel module `{name}`"),
                hint: "early_modules of images/guest.toml must name modules of the guest's kernel"
                    .into(),
            })?;
        // modules.dep lists what a module needs from the last to load to the first.
        for path in needs.split_whitespace().rev().chain([file]) {
            let path = PathBuf::from(path);
            if !order.contains(&path) {
                order.push(path);
            }
        }
    }
    Ok(order)
}

fn init(modules: &[String]) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template("init", INIT)?;
    environment
        .get_template("init")?
        .render(context! { modules => modules.to_vec() })
}

/// Appends entries of a cpio archive; the same entries give the same bytes.
struct Archive<W: Write> {
    out: W,
    inode: u32,
}

impl<W: Write> Archive<W> {
    fn add(&mut self, name: &str, mode: u32, content: &[u8]) -> std::io::Result<()> {
        self.inode += 1;
        let size = u32::try_from(content.len()).map_err(std::io::Error::other)?;
        let mut entry = cpio::newc::Builder::new(name)
            .ino(self.inode)
            .mode(mode)
            .nlink(1)
            .mtime(u32::try_from(SOURCE_DATE_EPOCH).unwrap_or_default())
            .write(&mut self.out, size);
        entry.write_all(content)?;
        entry.finish().map(|_| ())
    }
}

/// Writes the initial RAM disk of a tree whose modules are unpacked.
pub(crate) fn make(
    tree: &Path,
    version: &str,
    early: &[String],
    to: &Path,
) -> Result<(), ImageError> {
    let modules = tree.join("usr/lib/modules").join(version);
    let index = modules.join("modules.dep");
    let text = std::fs::read_to_string(&index).map_err(ImageError::file("read", &index))?;
    let order = load_order(&text, early)?;
    let names: Vec<String> = order
        .iter()
        .map(|p| {
            p.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let init = init(&names).map_err(|e| ImageError::Parse {
        path: "images/templates/init.j2".into(),
        why: e.to_string(),
    })?;
    let read = |path: PathBuf| std::fs::read(&path).map_err(ImageError::file("read", path));
    let busybox = read(tree.join(BUSYBOX))?;
    let mut contents = Vec::new();
    for path in &order {
        contents.push(read(modules.join(path))?);
    }
    let write = || -> std::io::Result<()> {
        let out = std::io::BufWriter::new(std::fs::File::create(to)?);
        let mut archive = Archive { out, inode: 0 };
        for dir in ["bin", "dev", "modules", "sysroot"] {
            archive.add(dir, DIRECTORY, b"")?;
        }
        archive.add("bin/busybox", PROGRAM, &busybox)?;
        for applet in APPLETS {
            archive.add(&format!("bin/{applet}"), LINK, b"busybox")?;
        }
        for (name, content) in names.iter().zip(&contents) {
            archive.add(&format!("modules/{name}"), FILE, content)?;
        }
        archive.add("init", PROGRAM, init.as_bytes())?;
        cpio::newc::trailer(archive.out)?.flush()
    };
    write().map_err(ImageError::file("write", to))
}

/// Where Linux' boot protocol keeps things in a bzImage.
fn number(image: &[u8], at: usize, bytes: usize) -> Option<usize> {
    let mut value = 0;
    for byte in image.get(at..at + bytes)?.iter().rev() {
        value = (value << 8) | usize::from(*byte);
    }
    Some(value)
}

/// The packed kernel inside a bzImage: header fields `setup_sects`, `payload_offset` and `payload_length`.
fn payload(image: &[u8]) -> Option<&[u8]> {
    (image.get(0x202..0x206)? == b"HdrS").then_some(())?;
    let setup = match number(image, 0x1f1, 1)? {
        0 => 4,
        sectors => sectors,
    };
    let start = (setup + 1) * 512 + number(image, 0x248, 4)?;
    image.get(start..start + number(image, 0x24c, 4)?)
}

/// Unpacks a kernel once, here, instead of at every boot of every guest. QEMU starts an ELF kernel by its PVH entry.
pub(crate) fn unpack_kernel(vmlinuz: &Path, to: &Path) -> Result<(), ImageError> {
    let image = std::fs::read(vmlinuz).map_err(ImageError::file("read", vmlinuz))?;
    let failed = |why: &str| ImageError::Parse {
        path: vmlinuz.to_owned(),
        why: why.to_owned(),
    };
    let packed = payload(&image).ok_or_else(|| failed("it is no bzImage"))?;
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(packed)
        .map_err(|e| failed(&format!("it is not packed with zstd: {e}")))?;
    let mut kernel = Vec::new();
    decoder
        .read_to_end(&mut kernel)
        .map_err(|e| failed(&format!("its kernel cannot be unpacked: {e}")))?;
    if !kernel.starts_with(b"\x7fELF") {
        return Err(failed("what is packed in it is no ELF file"));
    }
    std::fs::write(to, kernel).map_err(ImageError::file("write", to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_load_after_what_they_need() {
        let text = "kernel/a/virtio-net.ko: kernel/b/net_failover.ko kernel/b/failover.ko\n\
                    kernel/b/net_failover.ko: kernel/b/failover.ko\nkernel/b/failover.ko:\nkernel/c/virtio_blk.ko:\n";
        let order = load_order(text, &["virtio_blk".into(), "virtio_net".into()]).unwrap();
        let names: Vec<_> = order
            .iter()
            .map(|p| p.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "virtio_blk.ko",
                "failover.ko",
                "net_failover.ko",
                "virtio-net.ko"
            ]
        );
        let error = load_order(text, &["nvme".into()]).unwrap_err().to_string();
        assert!(error.contains("`nvme`"), "{error}");
    }

    #[test]
    fn init_loads_them_before_it_mounts() {
        let text = init(&["a.ko".into(), "b.ko".into()]).unwrap();
        let at = |part: &str| {
            text.find(part)
                .unwrap_or_else(|| panic!("no {part} in {text}"))
        };
        assert!(at("insmod /modules/a.ko") < at("insmod /modules/b.ko"));
        assert!(at("insmod /modules/b.ko") < at("mount -t ext4"));
        assert!(at("mount -t ext4") < at("exec switch_root"));
    }

    #[test]
    fn the_same_entries_give_the_same_bytes() {
        let make = || {
            let mut archive = Archive {
                out: Vec::new(),
                inode: 0,
            };
            archive.add("dev", DIRECTORY, b"").unwrap();
            archive.add("init", PROGRAM, b"#!/bin/sh\n").unwrap();
            cpio::newc::trailer(archive.out).unwrap()
        };
        assert_eq!(make(), make());
        let bytes = make();
        let mut reader = cpio::newc::Reader::new(&*bytes).unwrap();
        assert_eq!(
            (reader.entry().name(), reader.entry().mode()),
            ("dev", DIRECTORY)
        );
        reader = cpio::newc::Reader::new(reader.finish().unwrap()).unwrap();
        assert_eq!(
            (reader.entry().name(), reader.entry().file_size()),
            ("init", 10)
        );
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        assert!(payload(b"short").is_none());
        let mut image = vec![0; 4096];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x1f1] = 1;
        image[0x248] = 16;
        image[0x24c] = 3;
        image[1024 + 16..1024 + 19].copy_from_slice(b"abc");
        assert_eq!(payload(&image).unwrap(), b"abc");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmlinuz");
        std::fs::write(&path, &image).unwrap();
        let error = unpack_kernel(&path, &dir.path().join("kernel"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("zstd"), "{error}");
    }
}
