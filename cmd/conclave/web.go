package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/web"
)

// anyPort is where the page is, unless somebody says otherwise.
const anyPort = "127.0.0.1:0"

// linkFile is what a browser is given: a link in an argument list would be read
// by every user of the machine.
const linkFile = "open-page.html"

// linkFileLife is how long a browser has to read it.
const linkFileLife = 5 * time.Second

func newWeb(a *app) *cobra.Command {
	show := false
	cmd := command("web [--print]", "Open the page in a browser on this machine", 0, 0,
		func(ctx context.Context, _ []string) error {
			return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
				p, err := c.OpenPage(ctx)
				if err != nil {
					return err
				}
				if show || a.json || !isTerminal(a.stdout) {
					return emit(a, p, func(w io.Writer, p api.Page) { fmt.Fprintln(w, p.Link) })
				}
				return a.browse(ctx, p.Link)
			})
		})
	cmd.Flags().BoolVar(&show, "print", false, "print the link, which works once, in place of opening it")
	return cmd
}

// browse has the system's browser follow a link.
func (a *app) browse(ctx context.Context, link string) error {
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	}
	file := filepath.Join(a.home, linkFile)
	page := fmt.Sprintf("<!doctype html><meta charset=utf-8><title>conclave</title><meta http-equiv=refresh content=\"0;url=%s\">", html.EscapeString(link))
	os.Remove(file)
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		return err
	}
	defer os.Remove(file)
	if err := exec.CommandContext(ctx, opener, file).Run(); err != nil {
		return &node.Error{Kind: node.KindError, Message: "no browser could be opened", Hint: "open this link yourself, it works once: `" + a.own("web --print") + "`"}
	}
	fmt.Fprintln(a.stdout, "opened in your browser; if it did not appear: "+a.own("web --print"))
	select {
	case <-time.After(linkFileLife):
	case <-ctx.Done():
	}
	return nil
}

// pageDoor is the page of a running node, opened when somebody wants it.
type pageDoor struct {
	ctx    context.Context // ends it
	api    http.Handler
	logger *log.Logger

	mu   sync.Mutex
	door *web.Door
	ran  chan struct{}
}

// open opens the page at addr, or nowhere where that is empty.
func (p *pageDoor) open(addr string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.door != nil || addr == "" {
		return nil
	}
	door, err := web.Open(addr, p.api, p.logger)
	if errors.Is(err, web.ErrAddress) {
		return &node.Error{Kind: node.KindUsage, Message: err.Error()}
	}
	if err != nil {
		return err
	}
	p.door, p.ran = door, make(chan struct{})
	go func() {
		defer close(p.ran)
		if err := door.Run(p.ctx); err != nil {
			p.logger.Print("the page has ended: ", err)
		}
	}()
	return nil
}

// link makes a link to the page.
func (p *pageDoor) link(context.Context) (string, error) {
	if err := p.open(anyPort); err != nil {
		return "", err
	}
	return p.door.Link()
}

// wait returns when the page has ended.
func (p *pageDoor) wait() {
	p.mu.Lock()
	ran := p.ran
	p.mu.Unlock()
	if ran != nil {
		<-ran
	}
}
