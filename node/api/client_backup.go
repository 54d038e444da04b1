package api

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/url"

	"conclave/node"
)

// Backup writes a backup to w, sealed to these age recipients. After an error
// what was written is not a whole one. No time limit holds: it takes as long as
// there is much.
func (c *Client) Backup(ctx context.Context, recipients []string, w io.Writer) error {
	resp, err := c.do(ctx, http.MethodPost, "/v1/backup", backup{recipients})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	from := &nodeReader{r: resp.Body}
	_, err = io.Copy(w, from)
	if from.failed != nil {
		return brokenOff(ctx, from.failed)
	}
	return err
}

// nodeReader tells the node's failures from those of who writes what is read.
type nodeReader struct {
	r      io.Reader
	failed error
}

func (n *nodeReader) Read(b []byte) (int, error) {
	k, err := n.r.Read(b)
	if err != nil && err != io.EOF {
		n.failed = err
	}
	return k, err
}

// Retain says how long messages are kept here, and erases what is older.
func (c *Client) Retain(ctx context.Context, group, keep string) (node.Retention, error) {
	return post[node.Retention](ctx, c, "/v1/retention", keepFor{group, keep})
}

// Held lists the lines that waited when the backup was made that the home is from.
func (c *Client) Held(ctx context.Context, group string) iter.Seq2[node.LogLine, error] {
	return pages[node.LogLine](ctx, c, "/v1/held", url.Values{"group": {group}})
}

// SendHeld sends those lines.
func (c *Client) SendHeld(ctx context.Context, group string) ([]node.Sent, error) {
	out, err := post[heldLines](ctx, c, "/v1/held", held{Group: group})
	return out.Sent, err
}

// DropHeld forgets them.
func (c *Client) DropHeld(ctx context.Context, group string) ([]node.LogLine, error) {
	out, err := post[heldLines](ctx, c, "/v1/held", held{Group: group, Drop: true})
	return out.Dropped, err
}
