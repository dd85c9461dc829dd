//! From JPEG bytes to the pixels that the network takes.
//!
//! A photo is whole, or it is bad input: decoders fill what is missing of one with grey, and the network has a class for
//! that, too. What a camera says about how it was held is followed: the photo is turned before the network sees it.
//!
//! Not seen: a photo whose middle is missing and whose end is there.

use fast_image_resize as fir;
use image::{RgbImage, metadata::Orientation};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::{JpegDecoder, errors::DecodeErrors};

/// What is done with photos beside decoding them, for the record.
pub(crate) const CHOICES: &str = "photos must be whole, EXIF orientation is applied";

/// Side of the network's input in pixels.
pub(crate) const SIDE: u32 = 224;
/// Photos with more pixels than this are refused before they are decoded.
pub(crate) const MAX_PIXELS: u64 = 40_000_000;

/// `SIDE` × `SIDE` pixels, three bytes each (red, green, blue), row by row.
#[derive(Clone, PartialEq, Eq)]
pub struct Pixels(Vec<u8>);

impl std::fmt::Debug for Pixels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pixels({} bytes)", self.0.len())
    }
}

impl Pixels {
    pub fn rgb(&self) -> &[u8] {
        &self.0
    }

    /// A plain grey input, for warming up and timing.
    pub fn grey() -> Self {
        Self(vec![127; (SIDE * SIDE * 3) as usize])
    }
}

/// Why a photo cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// Something else, whatever its name says.
    #[error("{bytes} bytes that are no JPEG but {what}")]
    NoJpeg {
        /// Size of what came.
        bytes: usize,
        /// What it looks like.
        what: &'static str,
    },
    /// Its end is missing.
    #[error("JPEG of {bytes} bytes is truncated: it has no end")]
    Truncated {
        /// Size of what came.
        bytes: usize,
    },
    /// Damaged, or of a kind that the decoder does not know.
    #[error("decode JPEG of {bytes} bytes")]
    Decode {
        /// Size of what came.
        bytes: usize,
        #[source]
        source: DecodeErrors,
    },
    /// Would need too much memory.
    #[error("photo of {width} x {height} pixels is above the limit of {MAX_PIXELS} pixels")]
    TooLarge {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    #[error("scale photo of {width} x {height} pixels")]
    Scale {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        #[source]
        source: fir::ResizeError,
    },
    /// Decoder and scaler disagree about a size.
    #[error("photo of {width} x {height} pixels does not fit its buffer")]
    Buffer {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
}

/// Decodes, cuts the central square of 224/256 of the short side, and scales it bicubically,
/// which is how the weights were trained.
pub fn decode(jpeg: &[u8]) -> Result<Pixels, PhotoError> {
    let bytes = jpeg.len();
    if !jpeg.starts_with(&[0xff, 0xd8]) {
        let what = looks_like(jpeg);
        return Err(PhotoError::NoJpeg { bytes, what });
    }
    if !has_end(jpeg) {
        return Err(PhotoError::Truncated { bytes });
    }
    let decode_error = |source| PhotoError::Decode { bytes, source };
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    decoder.decode_headers().map_err(decode_error)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    // A JPEG says at most 65535 of each.
    let (width, height) = (width as u32, height as u32);
    if width == 0 || height == 0 || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PhotoError::TooLarge { width, height });
    }
    let is_grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let colours = if is_grey {
        ColorSpace::Luma
    } else {
        ColorSpace::RGB
    };
    decoder.set_options(options.jpeg_set_out_colorspace(colours));
    let mut rgb = decoder.decode().map_err(decode_error)?;
    if is_grey {
        rgb = rgb.into_iter().flat_map(|grey| [grey; 3]).collect();
    }
    let orientation = decoder
        .exif()
        .and_then(|exif| Orientation::from_exif_chunk(exif));

    let side = f64::from(width.min(height)) * 224.0 / 256.0;
    let left = (f64::from(width) - side) / 2.0;
    let top = (f64::from(height) - side) / 2.0;
    let buffer_error = || PhotoError::Buffer { width, height };
    let source = fir::images::Image::from_vec_u8(width, height, rgb, fir::PixelType::U8x3)
        .map_err(|_| buffer_error())?;
    let mut target = fir::images::Image::new(SIDE, SIDE, fir::PixelType::U8x3);
    let resize = fir::ResizeOptions::new()
        .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::CatmullRom))
        .crop(left, top, side, side);
    fir::Resizer::new()
        .resize(&source, &mut target, &resize)
        .map_err(|source| PhotoError::Scale {
            width,
            height,
            source,
        })?;
    let pixels = target.into_vec();
    match orientation {
        None | Some(Orientation::NoTransforms) => Ok(Pixels(pixels)),
        // The central square is the same whichever way the photo is turned, and small.
        Some(orientation) => {
            let square = RgbImage::from_raw(SIDE, SIDE, pixels).ok_or_else(buffer_error)?;
            let mut square = image::DynamicImage::from(square);
            square.apply_orientation(orientation);
            Ok(Pixels(square.into_rgb8().into_raw()))
        }
    }
}

/// What bytes are that are no JPEG, for people.
fn looks_like(bytes: &[u8]) -> &'static str {
    const KNOWN: [(&[u8], &str); 6] = [
        (b"\x89PNG", "a PNG"),
        (b"\x1f\x8b", "gzip"),
        (b"GIF8", "a GIF"),
        (b"RIFF", "WebP or another RIFF file"),
        (b"BM", "a BMP"),
        (b"<", "a text with markup"),
    ];
    if bytes.is_empty() {
        return "nothing";
    }
    let known = KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic));
    known.map_or("something unknown", |(_, what)| what)
}

/// Whether the mark at the end of the image is there, in its place: thumbnails in the header have one of their own.
fn has_end(jpeg: &[u8]) -> bool {
    let mut at = 2;
    let mut in_scan = false;
    while let Some(found) = jpeg
        .get(at..)
        .and_then(|rest| rest.iter().position(|b| *b == 0xff))
    {
        // Between segments there is nothing else; within a scan 0xff stands before zero, a restart, or the next marker.
        at += found;
        let Some(&marker) = jpeg.get(at + 1) else {
            return false;
        };
        match marker {
            0xff => at += 1,
            0x00 | 0x01 | 0xd0..=0xd7 => at += 2,
            0xd9 => return in_scan,
            _ => {
                let Some(&[high, low]) = jpeg.get(at + 2..at + 4) else {
                    return false;
                };
                in_scan |= marker == 0xda;
                at += 2 + usize::from(u16::from_be_bytes([high, low]));
            }
        }
    }
    false
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn jpeg(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
        let photo = image::RgbImage::from_pixel(width, height, image::Rgb(colour));
        let mut out = Vec::new();
        image::codecs::jpeg::JpegEncoder::new(&mut out)
            .encode_image(&photo)
            .unwrap();
        out
    }

    #[test]
    fn a_plain_colour_stays_itself() {
        let pixels = decode(&jpeg(300, 200, [200, 100, 50])).unwrap();
        assert_eq!(pixels.rgb().len(), (SIDE * SIDE * 3) as usize);
        for pixel in pixels.rgb().chunks(3) {
            assert!(
                pixel[0].abs_diff(200) < 4 && pixel[1].abs_diff(100) < 4,
                "{pixel:?}"
            );
        }
    }

    /// A photo with a different colour in each quarter: red, green over blue, white.
    fn quarters() -> image::RgbImage {
        image::RgbImage::from_fn(256, 256, |x, y| match (x < 128, y < 128) {
            (true, true) => image::Rgb([250, 0, 0]),
            (false, true) => image::Rgb([0, 250, 0]),
            (true, false) => image::Rgb([0, 0, 250]),
            (false, false) => image::Rgb([250, 250, 250]),
        })
    }

    fn encode(photo: &image::RgbImage) -> Vec<u8> {
        let mut out = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, 95)
            .encode_image(photo)
            .unwrap();
        out
    }

    /// With what a camera writes about how it was held.
    fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
        let mut out = vec![0xff, 0xd8, 0xff, 0xe1, 0, exif.len() as u8 + 2];
        out.extend(exif);
        out.extend_from_slice(&jpeg[2..]);
        out
    }

    #[test]
    fn a_photo_is_turned_as_its_camera_was() {
        use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
        type Turn = fn(&image::RgbImage) -> image::RgbImage;
        let upright = decode(&encode(&quarters())).unwrap();
        // What has to be done to the upright photo, so that doing what the number says makes it upright again.
        let cases: [(u8, Turn); 8] = [
            (1, image::RgbImage::clone),
            (2, flip_horizontal),
            (3, rotate180),
            (4, flip_vertical),
            (5, |p| flip_horizontal(&rotate90(p))),
            (6, rotate270),
            (7, |p| flip_horizontal(&rotate270(p))),
            (8, rotate90),
        ];
        for (orientation, turn) in cases {
            let held = with_orientation(&encode(&turn(&quarters())), orientation);
            let pixels = decode(&held).unwrap();
            let differences = pixels
                .rgb()
                .iter()
                .zip(upright.rgb())
                .filter(|(a, b)| a.abs_diff(**b) > 40);
            let differences = differences.count();
            assert!(
                differences < 2000,
                "orientation {orientation}: {differences} bytes differ"
            );
        }
    }

    #[test]
    fn what_is_not_a_whole_jpeg_is_named() {
        let good = encode(&quarters());
        let end = good.len();
        let said = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
        assert!(said(b"").contains("nothing"), "{}", said(b""));
        assert!(said(b"\x89PNG\r\n\x1a\n").contains("a PNG"));
        assert!(said(b"\x1f\x8b\x08\0").contains("gzip"));
        let scan = good.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
        for cut in [end - 2, end - 1, end / 2, end / 10, scan, scan + 20, 200] {
            assert!(
                said(&good[..cut]).contains("truncated"),
                "{cut}: {}",
                said(&good[..cut])
            );
        }
        // A thumbnail's end in the header is not the photo's.
        let mut thumbnail = vec![0xff, 0xd8, 0xff, 0xe5, 0, 6, 0xff, 0xda, 0xff, 0xd9];
        thumbnail.extend(&good[2..end - 2]);
        assert!(said(&thumbnail).contains("truncated"));
        thumbnail.extend([0xff, 0xd9]);
        decode(&thumbnail).unwrap();
        // What phones append is no damage.
        let appended = [good.as_slice(), b"SEFH trailer"].concat();
        decode(&appended).unwrap();
    }

    #[test]
    fn the_bundles_own_photos_are_whole() {
        let photos = concat!(env!("CARGO_MANIFEST_DIR"), "/../../images/photos");
        let mut count = 0;
        for entry in std::fs::read_dir(photos).unwrap().flatten() {
            if entry.path().extension().is_some_and(|e| e == "jpg") {
                decode(&std::fs::read(entry.path()).unwrap()).unwrap();
                count += 1;
            }
        }
        assert!(count >= 6, "{count}");
    }

    #[test]
    fn bad_photos_are_errors_not_panics() {
        let good = jpeg(64, 64, [1, 2, 3]);
        for n in 0..good.len().min(200) {
            let mut bent = good.clone();
            bent[n] ^= 0xff;
            let _may_fail = decode(&bent).is_ok();
        }
    }

    #[test]
    fn a_header_announcing_huge_dimensions_is_refused_before_decoding() {
        let mut bomb = jpeg(64, 64, [1, 2, 3]);
        // The start-of-frame marker carries height and width.
        let at = bomb.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        bomb[at + 5..at + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
        assert!(
            matches!(decode(&bomb), Err(PhotoError::TooLarge { .. })),
            "{:?}",
            decode(&bomb)
        );
    }
}
