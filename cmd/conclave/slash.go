package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"slices"
	"strings"

	ui "conclave/cmd/conclave/screen"
	"conclave/node"
)

// slash is the command line inside a conversation: what stands behind a slash is
// a command as the shell has it, save the group, which is the one that is open.
type slash struct{ *app }

// slashed are the commands that make sense inside a conversation. Their name is
// the command's own, or one of those below.
func slashed() []ui.Command {
	return []ui.Command{
		{Use: "name NAME", About: "what you are called, in all your groups"},
		{Use: "rename NAME", About: "what the group is called"},
		{Use: "members", About: "who is here, and who has which key"},
		{Use: "keys", About: "every key, why it was made, and who holds it"},
		{Use: "rotate", About: "replace the key now"},
		{Use: "encryption on|off|accept", About: "turn encryption on or off, or accept that it is off", Sure: true},
		{Use: "invite PEER_ID", About: "invite a person"},
		{Use: "invites", About: "the invitations you have received"},
		{Use: "accept INVITE_ID", About: "accept one of them"},
		{Use: "link [--preapproved] [--uses N] [--qr]", About: "a link to pass on; whoever has it can ask to come in"},
		{Use: "links [--revoke ID]", About: "the group's links"},
		{Use: "requests", About: "who asks to come in"},
		{Use: "approve PEER_ID", About: "let in who asked"},
		{Use: "decline PEER_ID", About: "turn a request down"},
		{Use: "verify PEER [--mark]", About: "the safety number to compare"},
		{Use: "kick PEER", About: "remove a member, and replace the key", Sure: true},
		{Use: "ban PEER", About: "remove a person for good, and replace the key", Sure: true},
		{Use: "unban PEER_ID", About: "allow a banned person to come back"},
		{Use: "deputy add|remove PEER", About: "let a member act while you are away, or no more"},
		{Use: "transfer PEER", About: "hand the group over to who is ready (there: /transfer --accept)", Sure: true},
		{Use: "leave [--abandon]", About: "leave the group", Sure: true},
		{Use: "held [--send|--drop]", About: "what waits here for a key"},
		{Use: "retention [--keep 90d]", About: "how long messages are kept here"},
		{Use: "nearby", About: "who is on the local network"},
		{Use: "doctor", About: "what is wrong with your node, and what to do"},
	}
}

func (s slash) List() []ui.Command { return slashed() }

// Run carries out a line without its slash. What it has to say goes to people,
// hints too.
func (s slash) Run(ctx context.Context, gid, line string) (string, error) {
	args, err := s.expand(gid, line)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	inner := app{stdout: &out, stderr: &out}
	if e := inner.execute(ctx, args); e != nil {
		return "", e
	}
	return out.String(), nil
}

// expand makes a line into a command line.
func (s slash) expand(gid, line string) ([]string, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	i := slices.IndexFunc(slashed(), func(c ui.Command) bool { return c.Name() == name })
	if i < 0 {
		return nil, &node.Error{Kind: node.KindUsage, Message: "no such command: /" + name, Hint: "/help lists them; a text that begins with a slash is typed with two"}
	}
	args := map[string][]string{"link": {"invite", "--link"}, "rename": {"group", "rename"}}[name]
	if args == nil {
		args = []string{name}
	}
	if strings.HasSuffix(slashed()[i].Use, " NAME") { // which may have spaces
		args = append(args, strings.TrimSpace(rest))
	} else {
		args = append(args, operands(rest)...)
	}
	return s.inGroup(gid, args)
}

// operands splits a line at spaces, save between quotes. A peer may be named as
// it is shown, by a dot and the end of its ID.
func operands(rest string) []string {
	r := csv.NewReader(strings.NewReader(strings.TrimSpace(rest)))
	r.Comma, r.LazyQuotes, r.TrimLeadingSpace = ' ', true, true
	out, err := r.Read()
	if err != nil {
		return nil // there is nothing
	}
	for i, o := range out {
		out[i] = strings.TrimPrefix(o, "·")
	}
	return out
}

// inGroup adds the group to a command that takes one, and the flags of this
// program to all.
func (s slash) inGroup(gid string, args []string) ([]string, error) {
	cmd, operands, err := newRoot(&app{}).Find(args)
	if err != nil {
		return nil, err
	}
	if takesGroup(cmd) {
		if gid == "" {
			return nil, usage("no group is open")
		}
		args = slices.Insert(args, len(args)-len(operands), gid)
	}
	shared := []string{"--timeout", s.timeout.String()}
	if s.homeGiven {
		shared = append(shared, "--home", s.home)
	}
	return append(shared, args...), nil
}
