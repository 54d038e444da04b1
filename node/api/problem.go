package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"conclave/node"
)

// problem is the body of every failure: RFC 9457 problem details, with the
// name of the node's error kind and what a person can do about it.
type problem struct {
	Title  string `json:"title" doc:"What the status means"`
	Status int    `json:"status" doc:"The HTTP status"`
	Name   string `json:"error" enum:"error,usage,no_node,not_allowed,not_found,wrong_passphrase,timeout,interrupted" doc:"The names of the command line's exit codes"`
	Detail string `json:"detail" doc:"What is wrong, in one line"`
	Hint   string `json:"hint,omitempty" doc:"What to do about it"`
}

const problemType = "application/problem+json"

func newProblem(k node.Kind, msg, hint string) *problem {
	status := statusOf(k)
	return &problem{Title: http.StatusText(status), Status: status, Name: string(k), Detail: msg, Hint: hint}
}

func (p *problem) Error() string             { return p.Detail }
func (p *problem) GetStatus() int            { return p.Status }
func (p *problem) ContentType(string) string { return problemType }

// asError is the way back, at the client.
func (p *problem) asError() *node.Error {
	return &node.Error{Kind: node.Kind(p.Name), Message: p.Detail, Hint: p.Hint}
}

// statusOf maps the node's error kinds to HTTP.
func statusOf(k node.Kind) int {
	switch k {
	case node.KindUsage:
		return http.StatusBadRequest
	case node.NotFound:
		return http.StatusNotFound
	case node.NotAllowed:
		return http.StatusForbidden
	case node.Passphrase:
		return http.StatusUnauthorized
	case node.TimedOut:
		return http.StatusGatewayTimeout
	case node.NoNode, node.Interrupted:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// problemOf turns what an operation returned into the answer's body. A context
// that ended without the node saying so is either the client's time limit or
// the node's own end: a client that left is not there to read the answer.
func problemOf(err error) *problem {
	var e *node.Error
	switch {
	case errors.Is(err, node.ErrOtherBody):
		p := usageStatus(http.StatusUnprocessableEntity, node.ErrOtherBody.Message)
		p.Hint = node.ErrOtherBody.Hint
		return p
	case errors.As(err, &e):
		return newProblem(e.Kind, e.Message, e.Hint)
	case errors.Is(err, context.DeadlineExceeded):
		return newProblem(node.TimedOut, "the time limit was reached", "")
	case errors.Is(err, context.Canceled):
		return newProblem(node.NoNode, "the node is stopping", "")
	}
	return newProblem(node.KindError, err.Error(), "")
}

// fromHuma makes the failures that huma finds by itself (a missing field, a
// number out of range, a body too large) look like all others.
func fromHuma(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	var parts []string
	for _, d := range m.Errors {
		parts = append(parts, strings.TrimSpace(d.Location+" "+d.Message))
	}
	detail := m.Detail
	if len(parts) > 0 {
		detail += ": " + strings.Join(parts, ", ")
	}
	kind := node.KindUsage
	if m.Status >= http.StatusInternalServerError {
		kind = node.KindError
	}
	return &problem{Title: m.Title, Status: m.Status, Name: string(kind), Detail: detail}, nil
}

// writeProblem answers a request that no operation handled.
func writeProblem(w http.ResponseWriter, p *problem) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}

// Refuse answers a request that a door turns away before any operation.
func Refuse(w http.ResponseWriter, status int, detail string) {
	p := newProblem(node.NotAllowed, detail, "")
	p.Status, p.Title = status, http.StatusText(status)
	writeProblem(w, p)
}
