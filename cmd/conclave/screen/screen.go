// Package screen is the terminal screen of `conclave chat`: the groups of a
// node, one of them open, and a line to write on. It speaks to the node through
// the local API alone. A model in small pure parts takes messages and returns
// actions; what an action brings comes back as a message, so that nothing that
// may take time is ever waited for.
package screen

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"

	"conclave/node/api"
)

// Config says whose screen it is.
type Config struct {
	Client *api.Client // of the node; asked again after it was lost
	Group  string      // ID of the group that is open at first; "" for the first one
	Ask    *Ask        // a request to join that is made first
	Note   string      // something to say at first

	Commands Commands // what lines behind a slash do, beyond what the screen does itself; nil for none

	Input  io.Reader
	Output io.Writer
	Env    []string
}

// Ask is a request to join a group.
type Ask struct {
	Peer  string // who is asked, or a link
	Group string // name or ID; "" for the only group of that peer
	Note  string // for who decides
}

// Run shows the screen until the person leaves it, or ctx ends.
func Run(ctx context.Context, cfg Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := newModel(ctx, cfg, time.Local, time.Now)
	p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithoutSignalHandler(),
		tea.WithInput(cfg.Input), tea.WithOutput(cfg.Output), tea.WithEnvironment(cfg.Env))
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		follow(ctx, cfg.Client, p.Send)
	}()
	_, err := p.Run()
	cancel()
	<-followed
	if errors.Is(err, tea.ErrProgramKilled) && !errors.Is(err, tea.ErrProgramPanic) {
		return nil // ctx ended, which is how a screen is closed from outside
	}
	return err
}

// Fits reports whether a screen can be shown on a terminal of this kind.
func Fits(term string) bool { return term != "" && term != "dumb" }

// mono reports whether colours are unwanted.
func mono(env []string) bool {
	for _, e := range env {
		if len(e) > len("NO_COLOR=") && e[:len("NO_COLOR=")] == "NO_COLOR=" {
			return true
		}
	}
	return false
}

// environment is the process's own, where none is given.
func environment(env []string) []string {
	if env == nil {
		return os.Environ()
	}
	return env
}
