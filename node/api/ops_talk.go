package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"conclave/node"
)

// MaxTexts is the most texts that one Send carries.
const MaxTexts = 256

// Send is the request behind `send`: texts of one person, in order.
type Send struct {
	Group string   `json:"group" doc:"GROUP"`
	Texts []string `json:"texts" minItems:"1" maxItems:"256" nullable:"false"`
	Plain bool     `json:"plain,omitempty" doc:"Send without encryption"`
	Wait  bool     `json:"wait,omitempty" doc:"Return when all are sent"`

	Key string `json:"-"` // for Client.Send, which puts it in a header; empty: a fresh one
}

// keyed is the input of an operation that is done once, however often it is asked
// for under one key.
type keyed[T any] struct {
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"Any text that no other send to this group has: given again with the same body within a day, nothing is sent, and the answer is about the messages of the first time"`
	Body T
}

const keyHeader = "Idempotency-Key"

// sentAll answers a Send: what is durable, in the order of the texts, and what
// stopped the rest, where something did.
type sentAll struct {
	Sent    []node.Sent `json:"sent"`
	Problem *problem    `json:"problem,omitempty" doc:"What stopped the texts after those in sent"`
}

type dm struct {
	Peer string `json:"peer" doc:"A full peer ID"`
	Text string `json:"text,omitempty" doc:"A first message"`
}

type logQuery struct {
	GroupQuery
	After  string `query:"after" maxLength:"512" doc:"Lines after the one with this cursor"`
	Before string `query:"before" maxLength:"512" doc:"The last lines before the one with this cursor, oldest first; the first of them is where the page before it ends"`
	Last   bool   `query:"last" doc:"The last lines in place of the first"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"250" doc:"Lines in a page; held lines and gaps come beside, with the last page"`
}

type readUpTo struct {
	Group  string `json:"group" doc:"GROUP"`
	Cursor string `json:"cursor,omitempty" maxLength:"512" doc:"The last line that was read; without it, all that is there"`
}

func registerTalk(a huma.API, n *node.Node) {
	handle(a, http.MethodPost, "/v1/send", "send", "Send messages; each answered is durable",
		func(ctx context.Context, in *keyed[Send]) (sentAll, error) {
			b := in.Body
			return sendAnswer(n.SendOnce(ctx, in.Key, b.Group, b.Texts, b.Plain, b.Wait))
		})
	handle(a, http.MethodGet, "/v1/log", "log", "A group's log, oldest line first",
		func(ctx context.Context, in *logQuery) (page[node.LogLine], error) {
			lines, err := n.Log(ctx, in.Group, node.LogQuery{After: in.After, Before: in.Before, Last: in.Last, Limit: in.Limit})
			if err != nil {
				return page[node.LogLine]{}, err
			}
			p := logPage(lines, in.Limit)
			if in.Before != "" {
				p.Next = nil // it goes on the other way
			}
			return p, nil
		})
	handle(a, http.MethodPut, "/v1/read", "read", "Say how far this person has read a group's log; it never goes back",
		func(ctx context.Context, in *body[readUpTo]) (node.ReadMark, error) {
			return n.Read(ctx, in.Body.Group, in.Body.Cursor)
		})
	handle(a, http.MethodPost, "/v1/dm", "dm", "Open the conversation of two",
		func(ctx context.Context, in *keyed[dm]) (node.Sent, error) {
			return n.DMOnce(ctx, in.Key, in.Body.Peer, in.Body.Text)
		})
}

// sendAnswer keeps what became durable before a failure in the answer: the
// client has to know which of its texts stand.
func sendAnswer(sent []node.Sent, err error) (sentAll, error) {
	if err != nil && len(sent) == 0 {
		return sentAll{}, err
	}
	out := sentAll{Sent: sent}
	if err != nil {
		out.Problem = problemOf(err)
	}
	return out, nil
}

func logPage(lines []node.LogLine, limit int) page[node.LogLine] {
	out := page[node.LogLine]{Items: append([]node.LogLine{}, lines...)}
	if len(lines) >= limit {
		out.Next = &lines[len(lines)-1].Cursor
	}
	return out
}
