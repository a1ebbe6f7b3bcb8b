//! Latencies as a picture: how long the slowest share of deliveries took.

use std::fmt::Write;

use hdrhistogram::Histogram;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 32.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 40.0;
/// Percentiles are drawn by nines: 0, 90, 99, 99.9, 99.99, 99.999.
const NINES: u32 = 5;
const STEPS_PER_NINE: u32 = 16;
const COLOURS: [&str; 2] = ["#1f6feb", "#8c959f"];

/// An SVG with one curve per histogram of nanoseconds; time is drawn by powers of ten.
#[must_use]
pub fn svg(curves: &[(&str, &Histogram<u64>)]) -> String {
    let values = || curves.iter().flat_map(|(_, histogram)| points(histogram)).map(|(_, ns)| ns);
    let low = values().fold(f64::INFINITY, f64::min).log10().floor();
    let high = values().fold(0.0, f64::max).log10().ceil();
    let (low, high) = if low.is_finite() && high > low { (low, high) } else { (3.0, 9.0) };
    let x = |nines: f64| LEFT + nines / f64::from(NINES) * (WIDTH - LEFT - RIGHT);
    let y = |ns: f64| HEIGHT - BOTTOM - (ns.log10() - low) / (high - low) * (HEIGHT - TOP - BOTTOM);

    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    for nines in 0..=NINES {
        let at = x(nines.into());
        let percent = 100.0 - 100.0 / 10_f64.powi(nines as i32);
        grid(&mut out, (at, TOP), (at, HEIGHT - BOTTOM));
        let _ = writeln!(
            out,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{percent} %</text>",
            HEIGHT - 20.0
        );
    }
    for power in low as i32..=high as i32 {
        let ns = 10_f64.powi(power);
        grid(&mut out, (LEFT, y(ns)), (WIDTH - RIGHT, y(ns)));
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y(ns) + 4.0,
            time(ns)
        );
    }
    for (index, (label, histogram)) in curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let curve: Vec<_> =
            points(histogram).map(|(nines, ns)| format!("{:.1},{:.1}", x(nines), y(ns))).collect();
        let curve = curve.join(" ");
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{curve}\"/>"
        );
        let at = 18.0 + 16.0 * index as f64;
        let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{at}\" fill=\"{colour}\">{}</text>", escape(label));
    }
    out.push_str("</svg>\n");
    out
}

fn points(histogram: &Histogram<u64>) -> impl Iterator<Item = (f64, f64)> {
    let quantiles = (0..=NINES * STEPS_PER_NINE).map(|step| f64::from(step) / f64::from(STEPS_PER_NINE));
    // Beyond the last delivery there is nothing to draw.
    let end = (histogram.len().max(1) as f64).log10();
    let drawn = quantiles.filter(move |&nines| nines <= end && !histogram.is_empty());
    drawn.map(|nines| (nines, histogram.value_at_quantile(1.0 - 10_f64.powf(-nines)).max(1) as f64))
}

fn grid(out: &mut String, from: (f64, f64), to: (f64, f64)) {
    let (x1, y1, x2, y2) = (from.0, from.1, to.0, to.1);
    let _ = writeln!(out, "<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"#d0d7de\"/>");
}

fn time(ns: f64) -> String {
    match ns {
        _ if ns < 1e3 => format!("{ns} ns"),
        _ if ns < 1e6 => format!("{} µs", ns / 1e3),
        _ if ns < 1e9 => format!("{} ms", ns / 1e6),
        _ => format!("{} s", ns / 1e9),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_stay_inside_of_the_picture() {
        let mut histogram = Histogram::new(3).unwrap();
        (1..=100_000).for_each(|ns| histogram.record(ns * 37).unwrap());
        let svg = svg(&[("a <b>", &histogram), ("limit", &histogram)]);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("a &lt;b&gt;"));
        let curves: Vec<_> = svg.lines().filter(|line| line.starts_with("<polyline")).collect();
        assert_eq!(curves.len(), 2);
        let points = curves[0].split("points=\"").nth(1).unwrap().trim_end_matches("\"/>");
        for point in points.split(' ') {
            let (x, y) = point.split_once(',').unwrap();
            assert!((LEFT..=WIDTH - RIGHT).contains(&x.parse().unwrap()), "{point}");
            assert!((TOP..=HEIGHT - BOTTOM).contains(&y.parse().unwrap()), "{point}");
        }
    }

    #[test]
    fn without_a_delivery_the_picture_is_empty_but_whole() {
        let svg = svg(&[("x", &Histogram::new(3).unwrap())]);
        assert!(svg.contains("points=\"\"") && !svg.contains("NaN") && !svg.contains("inf"));
    }
}
