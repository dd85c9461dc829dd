//! Axes, colours and texts that all figures have in common.
//!
//! Colours are written as attributes of the SVG; the page's style sheet gives each of them its counterpart in the dark.

mod axis;

pub(crate) use axis::Axis;
use axis::Coordinates;

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

/// Of texts and axes.
pub(crate) const INK: RGBColor = RGBColor(0x24, 0x29, 0x2F);
/// Of lines that help the eye.
const GRID: RGBColor = RGBColor(0xD8, 0xDE, 0xE4);
/// Of marks that are not data: limits, percentiles, what the timeline did.
pub(crate) const MARK: RGBColor = RGBColor(0x6E, 0x77, 0x81);
/// Okabe's and Ito's colours, which people who see fewer colours tell apart too; without the yellow, which nobody sees on
/// white.
pub(crate) const PALETTE: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0x8C, 0x6D, 0x46),
];

/// Coordinates are whole numbers: so many of them are a pixel at the figure's own size.
pub(crate) const PIXEL: i32 = 4;
const WIDTH: i32 = 520 * PIXEL;
const HEIGHT: i32 = 290 * PIXEL;
const FONT: &str = "sans-serif";
const FONT_SIZE: i32 = 13 * PIXEL;
/// The backend makes letters smaller than it is asked for.
const FONT_RATIO: f64 = 1.24;
/// How wide a letter is, about: nothing here knows the reader's fonts.
const LETTER: f64 = 0.56 * FONT_SIZE as f64;
const LEGEND_ROW: i32 = 20 * PIXEL;

/// Why a figure could not be drawn; into memory, that is a fault of this program.
pub(crate) type DrawError = DrawingAreaErrorKind<std::io::Error>;
/// What figures draw on, in the coordinates of their axes.
pub(crate) type Plot<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<Coordinates, Coordinates>>;

/// A figure before its data.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Names of what is drawn, in the order of [`PALETTE`]; empty = no legend.
    pub(crate) legend: Vec<String>,
}

pub(crate) fn colour(index: usize) -> RGBColor {
    PALETTE.get(index % PALETTE.len()).copied().unwrap_or(INK)
}

/// A line so many pixels wide.
pub(crate) fn line(colour: RGBColor, pixels: f64) -> ShapeStyle {
    colour.stroke_width((pixels * f64::from(PIXEL)) as u32)
}

/// Style of a text; the last part of it is where in the text its point is.
pub(crate) fn text(colour: RGBColor, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    let size = f64::from(FONT_SIZE) * FONT_RATIO;
    let font = (FONT, size).into_font();
    TextStyle {
        pos: Pos::new(horizontal, vertical),
        color: colour.to_backend_color(),
        ..TextStyle::from(font)
    }
}

/// Where the items of a legend begin, as row and distance from the left.
fn places(legend: &[String]) -> Vec<(i32, i32)> {
    let margin = 8 * PIXEL;
    let (mut row, mut left) = (0, margin);
    let mut places = Vec::new();
    for name in legend {
        // A page for a phone has larger letters.
        let width = 30 * PIXEL + (name.chars().count() as f64 * LETTER * 1.2) as i32;
        if left + width > WIDTH && left > margin {
            (row, left) = (row + 1, margin);
        }
        places.push((row, left));
        left += width;
    }
    places
}

impl Chart {
    pub(crate) fn new(x: Axis, y: Axis) -> Self {
        Self {
            x,
            y,
            legend: Vec::new(),
        }
    }

    /// The SVG, with what `paint` puts on it.
    pub(crate) fn draw(
        &self,
        paint: impl FnOnce(&mut Plot<'_, '_>) -> Result<(), DrawError>,
    ) -> Result<String, DrawError> {
        let places = places(&self.legend);
        let rows = places.last().map_or(0, |(row, _)| row + 1);
        let height = HEIGHT + rows * LEGEND_ROW;
        let mut svg = String::new();
        {
            let size = (WIDTH.unsigned_abs(), height.unsigned_abs());
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            let (head, body) = root.split_vertically(rows * LEGEND_ROW);
            self.draw_legend(&head, &places)?;
            let ticks = (self.y.label_width() * LETTER) as i32;
            let description = if self.y.label.is_empty() { 12 } else { 34 };
            let mut plot = ChartBuilder::on(&body)
                .margin(8 * PIXEL)
                .margin_right(26 * PIXEL)
                .x_label_area_size(42 * PIXEL)
                .y_label_area_size(ticks + description * PIXEL)
                .build_cartesian_2d(self.x.coordinates(), self.y.coordinates())?;
            let ink = text(INK, HPos::Center, VPos::Top);
            plot.configure_mesh()
                .x_desc(self.x.label.as_str())
                .y_desc(self.y.label.as_str())
                .axis_desc_style(ink.clone())
                .label_style(ink)
                .x_label_formatter(&|at| self.x.tick(*at))
                .y_label_formatter(&|at| self.y.tick(*at))
                .set_all_tick_mark_size(4 * PIXEL)
                .bold_line_style(line(GRID, 1.0))
                .light_line_style(TRANSPARENT)
                .axis_style(line(MARK, 1.0))
                .draw()?;
            paint(&mut plot)?;
            root.present()?;
        }
        let pixels = |length: i32| length / PIXEL;
        let drawn = format!("width=\"{WIDTH}\" height=\"{height}\"");
        let shown = format!("width=\"{}\" height=\"{}\"", pixels(WIDTH), pixels(height));
        Ok(svg.replacen(&drawn, &shown, 1))
    }

    fn draw_legend(
        &self,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
        places: &[(i32, i32)],
    ) -> Result<(), DrawError> {
        for (index, (name, (row, left))) in self.legend.iter().zip(places).enumerate() {
            let top = 6 * PIXEL + row * LEGEND_ROW;
            let square = [
                (*left, top + 2 * PIXEL),
                (left + 11 * PIXEL, top + 13 * PIXEL),
            ];
            area.draw(&Rectangle::new(square, colour(index).filled()))?;
            let style = text(INK, HPos::Left, VPos::Center);
            let at = (left + 16 * PIXEL, top + 8 * PIXEL);
            area.draw(&Text::new(name.clone(), at, style))?;
        }
        Ok(())
    }
}

fn dashed(plot: &mut Plot<'_, '_>, ends: [(f64, f64); 2]) -> Result<(), DrawError> {
    let dashes = DashedLineSeries::new(ends, 4 * PIXEL, 3 * PIXEL, line(MARK, 1.0));
    plot.draw_series(dashes)?;
    Ok(())
}

/// A dashed line across the whole height, with a word beside it; words of later rows stand lower, so that none hides another.
pub(crate) fn vertical_mark(
    plot: &mut Plot<'_, '_>,
    chart: &Chart,
    at: f64,
    word: &str,
    row: usize,
) -> Result<(), DrawError> {
    let (low, high) = (chart.y.from, chart.y.to);
    dashed(plot, [(at, low), (at, high)])?;
    let is_right = at > chart.x.from + 0.8 * (chart.x.to - chart.x.from);
    let (side, space) = if is_right {
        (HPos::Right, -4 * PIXEL)
    } else {
        (HPos::Left, 4 * PIXEL)
    };
    let label = EmptyElement::at((at, high))
        + Text::new(
            word.to_owned(),
            (space, (2 + 15 * row as i32) * PIXEL),
            text(INK, side, VPos::Top),
        );
    plot.draw_series(std::iter::once(label))?;
    Ok(())
}

/// A dashed line across the whole width, with a word above it.
pub(crate) fn horizontal_mark(
    plot: &mut Plot<'_, '_>,
    chart: &Chart,
    at: f64,
    word: &str,
) -> Result<(), DrawError> {
    dashed(plot, [(chart.x.from, at), (chart.x.to, at)])?;
    let label = EmptyElement::at((chart.x.to, at))
        + Text::new(
            word.to_owned(),
            (-2 * PIXEL, -3 * PIXEL),
            text(INK, HPos::Right, VPos::Bottom),
        );
    plot.draw_series(std::iter::once(label))?;
    Ok(())
}
