//! From JPEG bytes to the pixels that the network takes.

use fast_image_resize as fir;
use image::{ImageReader, Limits};
use std::io::Cursor;

/// Side of the network's input in pixels.
pub const SIDE: u32 = 224;
/// Photos with more pixels than this are refused before they are decoded.
pub const MAX_PIXELS: u64 = 40_000_000;

/// `SIDE` × `SIDE` pixels, three bytes each (red, green, blue), row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels(Vec<u8>);

impl Pixels {
    /// The bytes.
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
    /// Not a JPEG, truncated, or of a kind that the decoder does not know.
    #[error("decode JPEG of {bytes} bytes")]
    Decode {
        /// Size of what came.
        bytes: usize,
        /// Why.
        #[source]
        source: image::ImageError,
    },
    /// Would need too much memory.
    #[error("photo of {width} x {height} pixels is above the limit of {MAX_PIXELS} pixels")]
    TooLarge {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// Scaling failed.
    #[error("scale photo of {width} x {height} pixels")]
    Scale {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Why.
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
    let decode_error = |source| PhotoError::Decode {
        bytes: jpeg.len(),
        source,
    };
    let (width, height) = reader(jpeg).into_dimensions().map_err(decode_error)?;
    if width == 0 || height == 0 || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PhotoError::TooLarge { width, height });
    }
    let mut reader = reader(jpeg);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_PIXELS * 8);
    reader.limits(limits);
    let rgb = reader.decode().map_err(decode_error)?.into_rgb8();

    let side = f64::from(width.min(height)) * 224.0 / 256.0;
    let left = (f64::from(width) - side) / 2.0;
    let top = (f64::from(height) - side) / 2.0;
    let buffer_error = |_| PhotoError::Buffer { width, height };
    let source =
        fir::images::Image::from_vec_u8(width, height, rgb.into_raw(), fir::PixelType::U8x3)
            .map_err(buffer_error)?;
    let mut target = fir::images::Image::new(SIDE, SIDE, fir::PixelType::U8x3);
    let options = fir::ResizeOptions::new()
        .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::CatmullRom))
        .crop(left, top, side, side);
    fir::Resizer::new()
        .resize(&source, &mut target, &options)
        .map_err(|source| PhotoError::Scale {
            width,
            height,
            source,
        })?;
    Ok(Pixels(target.into_vec()))
}

fn reader(jpeg: &[u8]) -> ImageReader<Cursor<&[u8]>> {
    ImageReader::with_format(Cursor::new(jpeg), image::ImageFormat::Jpeg)
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

    #[test]
    fn bad_photos_are_errors_not_panics() {
        let good = jpeg(64, 64, [1, 2, 3]);
        assert!(decode(&[]).is_err());
        assert!(decode(b"\x89PNG\r\n\x1a\n not a jpeg").is_err());
        assert!(decode(&good[..good.len() / 4]).is_err());
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
