package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// progressWidth is the length of a progress bar, in characters.
const progressWidth = 30

// progress shows how far a long check is, on a terminal only.
func progress(w io.Writer, what string) func(done, total int64) {
	if !onTerminal(w) {
		return func(int64, int64) {}
	}
	return func(done, total int64) { drawProgress(w, what, done, total) }
}

// drawProgress draws the bar over the one before, and wipes it when all is done.
func drawProgress(w io.Writer, what string, done, total int64) {
	full := int(done * progressWidth / max(total, 1))
	fmt.Fprintf(w, "\r%s [%s%s] %d of %d", what, strings.Repeat("#", full), strings.Repeat(".", progressWidth-full), done, total)
	if done == total {
		fmt.Fprint(w, "\r\033[K")
	}
}

// drawLine writes over the line before, on a terminal only.
func drawLine(w io.Writer, format string, args ...any) {
	if onTerminal(w) {
		fmt.Fprintf(w, "\r\033[K"+format, args...)
	}
}

func clearLine(w io.Writer) { drawLine(w, "") }

func onTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
