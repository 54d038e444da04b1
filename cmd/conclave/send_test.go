package main

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"conclave/node"
	"conclave/node/api"
)

// allLines reads a whole input the way `send -` does.
func allLines(t *testing.T, r io.Reader) ([]string, error) {
	t.Helper()
	lines := make(chan line, api.MaxTexts)
	go readLines(t.Context(), r, lines)
	var all []string
	for {
		batch, err := nextBatch(t.Context(), lines)
		if len(batch) > api.MaxTexts {
			t.Errorf("a batch of %d", len(batch))
		}
		all = append(all, batch...)
		if err != nil {
			return all, err
		}
	}
}

func TestLinesOfStdin(t *testing.T) {
	full := strings.Repeat("x", maxText)
	for _, c := range []struct {
		name, in string
		want     []string
		fault    string
	}{
		{"plain", "a\nb\n", []string{"a", "b"}, ""},
		{"CR is dropped", "a\r\nb\r\n", []string{"a", "b"}, ""},
		{"a CR inside stays", "a\rb\n", []string{"a\rb"}, ""},
		{"the last line needs no LF", "a\nb", []string{"a", "b"}, ""},
		{"empty lines are skipped", "\n\na\n\r\n\nb\n\n", []string{"a", "b"}, ""},
		{"nothing", "", nil, ""},
		{"a full line", full + "\r\n" + full, []string{full, full}, ""},
		{"too long", "a\n\n" + full + "y\nb\n", []string{"a"}, "line 3 is longer than 32 KiB"},
		{"much too long", "a\n" + full + full + full, []string{"a"}, "line 2 is longer than 32 KiB"},
		{"not UTF-8", "a\nb\xff\nc\n", []string{"a"}, "line 2 is not UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := allLines(t, strings.NewReader(c.in))
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %d lines, want %d", len(got), len(c.want))
			}
			if c.fault == "" && !errors.Is(err, io.EOF) {
				t.Errorf("ended with %v", err)
			}
			if c.fault != "" && (err.Error() != c.fault || node.KindOf(err) != node.KindUsage) {
				t.Errorf("ended with %v, want %s", err, c.fault)
			}
		})
	}
}

func TestLinesLeaveInBoundedBatches(t *testing.T) {
	lines := make(chan line, 2000)
	for range 1000 {
		lines <- line{text: "short"}
	}
	for range 20 {
		lines <- line{text: strings.Repeat("x", maxText)}
	}
	lines <- line{err: io.EOF}
	total := 0
	for {
		batch, err := nextBatch(t.Context(), lines)
		size := len(strings.Join(batch, ""))
		if total += len(batch); len(batch) > api.MaxTexts || size > maxBatch+maxText {
			t.Errorf("a batch of %d texts, %d bytes", len(batch), size)
		}
		if err != nil {
			break
		}
	}
	if total != 1020 {
		t.Errorf("%d lines came out", total)
	}
}

func TestLinesEndWithAnInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := nextBatch(ctx, make(chan line)); node.KindOf(err) != node.Interrupted {
		t.Errorf("got %v", err)
	}
}
