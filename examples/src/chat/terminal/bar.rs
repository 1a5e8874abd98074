//! Progress bars: drawn by indicatif, shown as lines of the screen.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use console::truncate_str;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// How often a bar is drawn anew in a second, at the most.
const RATE: u8 = 10;
/// Columns that it has at the most: more are no easier to read.
const WIDEST: usize = 90;

/// Columns from which on there is room for the figures as well.
const ROOM: usize = 56;

/// Keeps what indicatif would draw.
#[derive(Clone, Debug)]
struct Canvas {
    drawn: Arc<Mutex<String>>,
    width: Arc<AtomicU16>,
}

impl Canvas {
    fn add(&self, text: &str) {
        if let Ok(mut drawn) = self.drawn.lock() {
            drawn.push_str(text);
        }
    }

    fn take(&self) -> String {
        self.drawn
            .lock()
            .map(|mut drawn| std::mem::take(&mut *drawn))
            .unwrap_or_default()
    }
}

impl TermLike for Canvas {
    fn width(&self) -> u16 {
        self.width.load(Ordering::Relaxed)
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(text);
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(text);
        Ok(())
    }

    /// A bar that is drawn anew begins with this.
    fn clear_line(&self) -> io::Result<()> {
        self.take();
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A bar that tells how much of a file has passed.
pub(super) struct Bar {
    bar: ProgressBar,
    canvas: Canvas,
    /// It is known how much is to pass.
    sized: bool,
}

impl Bar {
    /// A bar for this many octets, which begin to pass now.
    pub(super) fn new(total: Option<u64>) -> Self {
        let canvas = Canvas {
            drawn: Arc::default(),
            width: Arc::default(),
        };
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(canvas.clone()), RATE);
        let bar = ProgressBar::with_draw_target(total, target);
        Self {
            bar,
            canvas,
            sized: total.is_some(),
        }
    }

    /// So many octets have passed. What is to be shown now in so many columns, if something else than before.
    pub(super) fn position(&self, octets: u64, columns: usize) -> Option<String> {
        let columns = columns.min(WIDEST);
        let width = u16::try_from(columns).unwrap_or(u16::MAX);
        self.canvas.width.store(width, Ordering::Relaxed);
        let template = match (self.sized, columns >= ROOM) {
            (true, true) => "{wide_bar} {percent:>3} %  {bytes}/{total_bytes}  {bytes_per_sec}  {eta}",
            (true, false) => "{wide_bar} {percent:>3} %",
            (false, _) => "{spinner} {bytes}  {bytes_per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("━╸─"));
        }
        self.bar.set_position(octets);
        let drawn = self.canvas.take();
        let shown = drawn.trim_end();
        (!shown.is_empty()).then(|| truncate_str(shown, columns, "").into_owned())
    }
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;

    use super::*;

    #[test]
    fn a_bar_is_one_line() {
        let bar = Bar::new(Some(2048));
        let shown = bar.position(1024, 80).unwrap();
        assert!(
            shown.contains(" 50 %") && shown.contains("1.00 KiB/2.00 KiB") && shown.contains('━'),
            "{shown:?}"
        );
        assert!(!shown.contains('\n') && !shown.contains('\x1b'), "{shown:?}");
        let unknown = Bar::new(None).position(1024, 80).unwrap();
        assert!(unknown.contains("1.00 KiB"), "{unknown:?}");
    }

    #[test]
    fn a_bar_fits() {
        for columns in [0, 1, 20, 40, 60, 66, 80, 1000] {
            let bar = Bar::new(Some(u64::MAX));
            let shown = bar.position(u64::MAX / 3, columns).unwrap_or_default();
            assert!(columns < 20 || shown.contains('━'), "{columns}: {shown:?}");
            assert!(
                measure_text_width(&shown) <= columns.min(WIDEST),
                "{columns}: {shown:?}"
            );
        }
    }
}
