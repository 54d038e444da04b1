package mesh

import (
	"context"
	"log"
	"log/slog"

	"github.com/libp2p/go-libp2p/gologshim"
)

// RouteLogs sends to l, at debug level, what the libraries below would print to
// standard error: libp2p's own log, and what others write with package log (a
// machine without multicast, small UDP buffers). It changes the whole process:
// a program calls it once, before New.
func RouteLogs(l *slog.Logger) {
	h := demote{l.Handler()}
	gologshim.SetDefaultHandler(h)
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(h, slog.LevelDebug).Writer())
}

// demote makes every record one for debugging: strangers cause most of them.
type demote struct{ slog.Handler }

func (d demote) Enabled(ctx context.Context, _ slog.Level) bool {
	return d.Handler.Enabled(ctx, slog.LevelDebug)
}

func (d demote) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return d.Handler.Handle(ctx, r)
}

func (d demote) WithAttrs(as []slog.Attr) slog.Handler { return demote{d.Handler.WithAttrs(as)} }
func (d demote) WithGroup(name string) slog.Handler    { return demote{d.Handler.WithGroup(name)} }
