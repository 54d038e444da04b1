package screen

import "conclave/node"

// window is the part of a log that the screen holds: a run of lines without a
// hole, of bounded length, and which of them stands at the bottom of the view.
type window struct {
	lines       []node.LogLine
	first, last bool // it begins with the log's first line, ends with its last
	bottom      int  // index of the lowest line that is seen
	hidden      int  // rows of that line below the view
	below       int  // messages that came since the view left the end
	loading     bool // lines before or after are being read
}

const mostLines = 4 * pageLines // of a window

// following reports whether the view stands at the end of the log.
func (w *window) following() bool {
	return w.last && w.hidden == 0 && w.bottom >= len(w.lines)-1
}

// tail makes the log's last lines the window.
func (w *window) tail(lines []node.LogLine) {
	*w = window{lines: lines, last: true, first: len(lines) < pageLines, bottom: len(lines) - 1}
}

// older puts lines before the window; what is far below the view goes.
func (w *window) older(lines []node.LogLine) {
	w.loading = false
	w.first = len(lines) < pageLines
	w.lines = append(lines[:len(lines):len(lines)], w.lines...)
	w.bottom += len(lines)
	if over := len(w.lines) - mostLines; over > 0 {
		keep := max(len(w.lines)-over, w.bottom+1)
		w.last = w.last && keep == len(w.lines)
		w.lines = w.lines[:keep]
	}
}

// newer puts lines after the window; what is far above the view goes.
func (w *window) newer(lines []node.LogLine) {
	w.loading = false
	w.lines = append(w.placed(), lines...)
	if w.last = len(lines) < pageLines; w.last {
		w.below = 0
	}
	if over := min(len(w.lines)-mostLines, w.bottom-pageLines); over > 0 {
		w.lines, w.bottom, w.first = w.lines[over:], w.bottom-over, false
	}
}

// placed are the lines that have a place in the order: what is missing or held
// is at the end of the log only.
func (w *window) placed() []node.LogLine {
	n := len(w.lines)
	for n > 0 && w.lines[n-1].Cursor == node.EndCursor {
		n--
	}
	w.bottom = min(w.bottom, max(n-1, 0))
	return w.lines[:n:n]
}

// cursors are those of the first and the last line with a place.
func (w *window) cursors() (first, last string) {
	for _, l := range w.lines {
		if l.Cursor != node.EndCursor {
			if first == "" {
				first = l.Cursor
			}
			last = l.Cursor
		}
	}
	return first, last
}

// end is the cursor of the last line with a place.
func (w *window) end() string {
	_, last := w.cursors()
	return last
}

// move scrolls by rows, upwards where n is positive; height is the number of
// rows that line i takes. It returns how many rows it went.
func (w *window) move(n int, height func(i int) int) (went int) {
	for ; n > 0; n-- {
		if w.hidden+1 < height(w.bottom) {
			w.hidden++
		} else if w.bottom > 0 {
			w.bottom, w.hidden = w.bottom-1, 0
		} else {
			return went
		}
		went++
	}
	for ; n < 0; n++ {
		if w.hidden > 0 {
			w.hidden--
		} else if w.bottom < len(w.lines)-1 {
			w.bottom++
			w.hidden = height(w.bottom) - 1
		} else {
			return went
		}
		went--
	}
	return went
}
