package main

import (
	"io"
	"log/slog"
)

// loggerOptions are the flags of `up` about its log; empty ones are the defaults.
type loggerOptions struct {
	level  string // debug, info, warn or error
	format string // text or json
}

// logger writes the node's log to stderr, from level info.
func (a *app) logger() *slog.Logger { return slog.New(a.logHandler(slog.LevelInfo, a.json)) }

// loggerWith is logger as the flags say.
func (a *app) loggerWith(o loggerOptions) (*slog.Logger, error) {
	levels := map[string]slog.Level{
		"": slog.LevelInfo, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	level, ok := levels[o.level]
	if !ok {
		return nil, usage("--log-level is debug, info, warn or error, not %q", o.level)
	}
	switch o.format {
	case "":
		return slog.New(a.logHandler(level, a.json)), nil
	case "text", "json":
		return slog.New(a.logHandler(level, o.format == "json")), nil
	}
	return nil, usage("--log-format is text or json, not %q", o.format)
}

// logHandler leaves the time out: whoever keeps the log adds it.
func (a *app) logHandler(level slog.Level, asJSON bool) slog.Handler {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: dropTime}
	if asJSON {
		return slog.NewJSONHandler(a.stderr, options)
	}
	return slog.NewTextHandler(prefixed{a.stderr}, options)
}

func dropTime(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) == 0 && attr.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return attr
}

// prefixed begins every line of the log as all of stderr begins.
type prefixed struct{ w io.Writer }

func (p prefixed) Write(line []byte) (int, error) {
	if _, err := p.w.Write(append([]byte("conclave: "), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}
