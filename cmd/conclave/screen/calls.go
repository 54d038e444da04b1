package screen

import (
	"context"
	"errors"
	"iter"

	tea "charm.land/bubbletea/v2"

	"conclave/node"
	"conclave/node/api"
)

// action is something that the state wants done. It runs beside the screen, and
// what it brings comes back as a message.
type action interface {
	run(ctx context.Context, c *api.Client) tea.Msg
}

// failed is the answer of whatever did not work.
type failed struct {
	from action
	err  error
}

const (
	pageLines = 200  // lines of a log that are read at once
	mostLists = 5000 // items of a list that a screen keeps
)

// list takes the items of a list, as many as a screen keeps.
func list[T any](items iter.Seq2[T, error]) (all []T, err error) {
	for v, err := range items {
		if err != nil {
			return nil, err
		}
		if all = append(all, v); len(all) == mostLists {
			break
		}
	}
	return all, nil
}

type (
	readSelf   struct{}
	readGroups struct{}
	readAsked  struct{}
	readGroup  struct{ gid string }
	readPeople struct{ gid string }

	gotSelf   struct{ me node.Profile }
	gotGroups struct{ groups []node.GroupInfo }
	gotAsked  struct {
		requests    []node.Request
		invitations []node.Invitation
		joins       []node.JoinState
	}
	gotGroup struct {
		gid  string
		info node.GroupInfo
	}
	gotPeople struct {
		gid     string
		members []node.Member
	}
)

func (a readSelf) run(ctx context.Context, c *api.Client) tea.Msg {
	me, err := c.Profile(ctx)
	if err != nil {
		return failed{a, err}
	}
	return gotSelf{me}
}

func (a readGroups) run(ctx context.Context, c *api.Client) tea.Msg {
	all, err := list(c.Groups(ctx, false))
	if err != nil {
		return failed{a, err}
	}
	return gotGroups{all}
}

func (a readAsked) run(ctx context.Context, c *api.Client) tea.Msg {
	var out gotAsked
	var errs [3]error
	out.requests, errs[0] = list(c.Requests(ctx, ""))
	out.invitations, errs[1] = list(c.Invitations(ctx))
	out.joins, errs[2] = list(c.Joins(ctx))
	if err := errors.Join(errs[:]...); err != nil {
		return failed{a, err}
	}
	return out
}

func (a readGroup) run(ctx context.Context, c *api.Client) tea.Msg {
	info, err := c.Group(ctx, a.gid)
	if err != nil {
		return failed{a, err}
	}
	return gotGroup{a.gid, info}
}

func (a readPeople) run(ctx context.Context, c *api.Client) tea.Msg {
	members, err := list(c.Members(ctx, a.gid))
	if err != nil {
		return failed{a, err}
	}
	return gotPeople{a.gid, members}
}

// sayRead says that a group's log was read up to a line.
type (
	sayRead  struct{ gid, cursor string }
	saidRead struct{}
)

func (a sayRead) run(ctx context.Context, c *api.Client) tea.Msg {
	if _, err := c.Read(ctx, a.gid, a.cursor); err != nil {
		return failed{a, err}
	}
	return saidRead{}
}

// place says which lines of a log are meant.
type place int

const (
	atEnd  place = iota // the last ones
	before              // those before a cursor
	after               // those after it
)

type readLog struct {
	gid    string
	at     place
	cursor string
}

type gotLog struct {
	readLog
	lines []node.LogLine
}

func (a readLog) run(ctx context.Context, c *api.Client) tea.Msg {
	q := node.LogQuery{Limit: pageLines}
	switch a.at {
	case atEnd:
		q.Last = true
	case before:
		q.Before = a.cursor
	case after:
		q.After = a.cursor
	}
	lines, err := c.Log(ctx, a.gid, q)
	if err != nil {
		return failed{a, err}
	}
	return gotLog{a, lines}
}

type (
	send struct {
		gid, text string
		plain     bool
	}
	sent struct{ gid string }

	decide struct {
		gid, peer string
		approve   bool
	}
	decided struct{ decide }

	accept   struct{ invite string }
	accepted struct{ join node.JoinState }

	ask   struct{ Ask }
	asked struct{ join node.JoinState }

	readNumber struct {
		peer string
		mark bool // the numbers were compared
	}
	gotNumber struct {
		readNumber
		v node.Verification
	}
)

func (a send) run(ctx context.Context, c *api.Client) tea.Msg {
	if _, err := c.Send(ctx, api.Send{Group: a.gid, Texts: []string{a.text}, Plain: a.plain}); err != nil {
		return failed{a, err}
	}
	return sent{a.gid}
}

func (a decide) run(ctx context.Context, c *api.Client) tea.Msg {
	do := c.Decline
	if a.approve {
		do = c.Approve
	}
	if _, err := do(ctx, a.gid, a.peer); err != nil {
		return failed{a, err}
	}
	return decided{a}
}

func (a accept) run(ctx context.Context, c *api.Client) tea.Msg {
	j, err := c.Accept(ctx, a.invite, false)
	if err != nil {
		return failed{a, err}
	}
	return accepted{j}
}

func (a ask) run(ctx context.Context, c *api.Client) tea.Msg {
	j, err := c.Join(ctx, api.Join{Peer: a.Peer, Group: a.Group, Note: a.Note})
	if err != nil {
		return failed{a, err}
	}
	return asked{j}
}

func (a readNumber) run(ctx context.Context, c *api.Client) tea.Msg {
	v, err := c.Verify(ctx, a.peer, a.mark)
	if err != nil {
		return failed{a, err}
	}
	return gotNumber{a, v}
}
