package api

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"conclave/node"
)

const backupType = "application/octet-stream"

type backup struct {
	Recipients []string `json:"recipients" minItems:"1" maxItems:"64" nullable:"false" doc:"age recipients, age1..."`
}

type keepFor struct {
	Group string `json:"group" doc:"GROUP"`
	Keep  string `json:"keep" doc:"How long: 90d, 36h, or forever"`
}

type held struct {
	Group string `json:"group" doc:"GROUP"`
	Drop  bool   `json:"drop,omitempty" doc:"Forget them in place of sending them"`
}

// heldLines answers what was done with held lines of a backup.
type heldLines struct {
	Sent    []node.Sent    `json:"sent"`
	Dropped []node.LogLine `json:"dropped"`
}

type heldQuery struct {
	Paging
	GroupQuery
}

func registerBackup(a huma.API, n *node.Node) {
	op := operation(a, http.MethodPost, "/v1/backup", "backup", "Everything this node holds, sealed to age recipients; no secret leaves it in the clear")
	op.Responses["200"] = &huma.Response{
		Description: "An age file; broken off, and then not a whole one, where it fails",
		Content:     map[string]*huma.MediaType{backupType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}
	huma.Register(a, op, func(_ context.Context, in *body[backup]) (*huma.StreamResponse, error) {
		write, err := n.Backup(in.Body.Recipients)
		if err != nil {
			return nil, problemOf(err)
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) { streamOut(ctx, write) }}, nil
	})
	handle(a, http.MethodPost, "/v1/retention", "retention", "Say how long messages of a group are kept here; returns when older ones are erased",
		func(ctx context.Context, in *body[keepFor]) (node.Retention, error) {
			return n.Retain(ctx, in.Body.Group, in.Body.Keep)
		})
	handle(a, http.MethodGet, "/v1/held", "listHeld", "Lines that waited when the backup was made that this home is from",
		func(ctx context.Context, in *heldQuery) (page[node.LogLine], error) {
			all, err := n.Parked(ctx, in.Group)
			if err != nil {
				return page[node.LogLine]{}, err
			}
			return cut(all, in.Paging, func(l node.LogLine) string { return *l.MessageID })
		})
	handle(a, http.MethodPost, "/v1/held", "settleHeld", "Send those lines, or forget them",
		func(ctx context.Context, in *body[held]) (out heldLines, err error) {
			out = heldLines{Sent: []node.Sent{}, Dropped: []node.LogLine{}}
			if in.Body.Drop {
				out.Dropped, err = n.DropParked(ctx, in.Body.Group)
			} else {
				out.Sent, err = n.SendParked(ctx, in.Body.Group)
			}
			return out, err
		})
}

// streamOut writes an answer that may take long: only a client that stops reading
// loses the connection. Where write fails the answer breaks off, so that nobody
// takes it for whole.
func streamOut(ctx huma.Context, write func(io.Writer) error) {
	_, w := humago.Unwrap(ctx)
	w.Header().Set("Content-Type", backupType)
	w.WriteHeader(http.StatusOK)
	if err := write(patientWriter{w}); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// patientWriter gives the client the same time for every part.
type patientWriter struct{ http.ResponseWriter }

func (w patientWriter) Write(b []byte) (int, error) {
	http.NewResponseController(w.ResponseWriter).SetWriteDeadline(in(writeTimeout))
	return w.ResponseWriter.Write(b)
}
