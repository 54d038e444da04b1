package api

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"conclave/keys"
	"conclave/node"
)

// The operations, one method each, as the node has them. Lists are walked page
// by page; an error ends them.

func (c *Client) Status(ctx context.Context) (node.Status, error) {
	return get[node.Status](ctx, c, "/v1/status", nil)
}

func (c *Client) Doctor(ctx context.Context) iter.Seq2[node.Finding, error] {
	return pages[node.Finding](ctx, c, "/v1/doctor", url.Values{})
}

func (c *Client) CreateGroup(ctx context.Context, g node.CreateGroup) (node.GroupInfo, error) {
	return post[node.GroupInfo](ctx, c, "/v1/groups", g)
}

func (c *Client) Groups(ctx context.Context, all bool) iter.Seq2[node.GroupInfo, error] {
	return pages[node.GroupInfo](ctx, c, "/v1/groups", url.Values{"all": {strconv.FormatBool(all)}})
}

func (c *Client) Group(ctx context.Context, group string) (node.GroupInfo, error) {
	return get[node.GroupInfo](ctx, c, "/v1/group", url.Values{"group": {group}})
}

func (c *Client) SetGroup(ctx context.Context, group string, s node.SetGroup) (node.GroupInfo, error) {
	return call[node.GroupInfo](ctx, c, http.MethodPatch, "/v1/group", settings{Group: group, SetGroup: s})
}

func (c *Client) Invite(ctx context.Context, group, peer string) (node.Invite, error) {
	return post[node.Invite](ctx, c, "/v1/invite", onPeer{group, peer})
}

func (c *Client) Invitations(ctx context.Context) iter.Seq2[node.Invitation, error] {
	return pages[node.Invitation](ctx, c, "/v1/invitations", url.Values{})
}

func (c *Client) Accept(ctx context.Context, inviteID string, wait bool) (node.JoinState, error) {
	return post[node.JoinState](ctx, c, "/v1/accept", accept{inviteID, wait})
}

func (c *Client) Join(ctx context.Context, j Join) (node.JoinState, error) {
	return post[node.JoinState](ctx, c, "/v1/joins", j)
}

func (c *Client) Joins(ctx context.Context) iter.Seq2[node.JoinState, error] {
	return pages[node.JoinState](ctx, c, "/v1/joins", url.Values{})
}

func (c *Client) Requests(ctx context.Context, group string) iter.Seq2[node.Request, error] {
	return pages[node.Request](ctx, c, "/v1/requests", url.Values{"group": {group}})
}

func (c *Client) Approve(ctx context.Context, group, peer string) (node.Request, error) {
	return post[node.Request](ctx, c, "/v1/approve", onPeer{group, peer})
}

func (c *Client) Decline(ctx context.Context, group, peer string) (node.Request, error) {
	return post[node.Request](ctx, c, "/v1/decline", onPeer{group, peer})
}

func (c *Client) Members(ctx context.Context, group string) iter.Seq2[node.Member, error] {
	return pages[node.Member](ctx, c, "/v1/members", url.Values{"group": {group}})
}

func (c *Client) Outsiders(ctx context.Context, group string) iter.Seq2[node.Outsider, error] {
	return pages[node.Outsider](ctx, c, "/v1/outsiders", url.Values{"group": {group}})
}

func (c *Client) CreateLink(ctx context.Context, group string, o node.LinkOptions) (node.Link, error) {
	return post[node.Link](ctx, c, "/v1/links", linkAdd{group, o})
}

func (c *Client) Links(ctx context.Context, group string) iter.Seq2[node.Link, error] {
	return pages[node.Link](ctx, c, "/v1/links", url.Values{"group": {group}})
}

func (c *Client) RevokeLink(ctx context.Context, group, inviteID string) (node.Link, error) {
	return post[node.Link](ctx, c, "/v1/links/revoke", linkRevoke{group, inviteID})
}

// comeback is for how long a send waits for a node that went away, comebackStep
// how long before each try.
const (
	comeback     = 5 * time.Second
	comebackStep = 50 * time.Millisecond
)

// Send returns, beside an error, what had become durable before it. Where the
// node goes away before it answers and comes back within seconds, it is asked
// again; under the key, of which there is always one, nothing is sent twice.
func (c *Client) Send(ctx context.Context, s Send) ([]node.Sent, error) {
	if s.Key == "" {
		id, err := keys.NewItemID()
		if err != nil {
			return nil, err
		}
		s.Key = id.String()
	}
	ctx, cancel := within(ctx, c.timeout)
	defer cancel()
	sent, err := c.sendOnce(ctx, s)
	gone, stop := context.WithTimeout(ctx, comeback)
	defer stop()
	for node.KindOf(err) == node.NoNode {
		select {
		case <-time.After(comebackStep):
			sent, err = c.sendOnce(ctx, s)
		case <-gone.Done():
			return sent, err
		}
	}
	return sent, err
}

func (c *Client) sendOnce(ctx context.Context, s Send) ([]node.Sent, error) {
	out, err := post[sentAll](ctx, c, "/v1/send", s)
	if err == nil && out.Problem != nil {
		err = out.Problem.asError()
	}
	return out.Sent, err
}

// Log returns one page of at most q.Limit lines, oldest first.
func (c *Client) Log(ctx context.Context, group string, q node.LogQuery) ([]node.LogLine, error) {
	v := url.Values{"group": {group}, "last": {strconv.FormatBool(q.Last)}}
	if q.After != "" {
		v.Set("after", q.After)
	}
	if q.Before != "" {
		v.Set("before", q.Before)
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	p, err := get[page[node.LogLine]](ctx, c, "/v1/log", v)
	return p.Items, err
}

// LogAfter walks the whole log after a cursor.
func (c *Client) LogAfter(ctx context.Context, group, cursor string) iter.Seq2[node.LogLine, error] {
	v := url.Values{"group": {group}}
	if cursor != "" {
		v.Set("after", cursor)
	}
	return pages[node.LogLine](ctx, c, "/v1/log", v)
}

// Read says that the log was read up to the line with that cursor, "" for all.
func (c *Client) Read(ctx context.Context, group, cursor string) (node.ReadMark, error) {
	return call[node.ReadMark](ctx, c, http.MethodPut, "/v1/read", readUpTo{group, cursor})
}

func (c *Client) DM(ctx context.Context, peer, text string) (node.Sent, error) {
	return post[node.Sent](ctx, c, "/v1/dm", dm{peer, text})
}

func (c *Client) Leave(ctx context.Context, group string, abandon bool) (node.Change, error) {
	return post[node.Change](ctx, c, "/v1/leave", leave{group, abandon})
}

func (c *Client) Kick(ctx context.Context, group, peer string) (node.Change, error) {
	return post[node.Change](ctx, c, "/v1/kick", onPeer{group, peer})
}

func (c *Client) Ban(ctx context.Context, group, peer string) (node.Change, error) {
	return post[node.Change](ctx, c, "/v1/ban", onPeer{group, peer})
}

func (c *Client) Unban(ctx context.Context, group, peer string) (node.Change, error) {
	return post[node.Change](ctx, c, "/v1/unban", onPeer{group, peer})
}

func (c *Client) Transfer(ctx context.Context, group, peer string) (node.Handover, error) {
	return post[node.Handover](ctx, c, "/v1/transfer", onPeer{group, peer})
}

func (c *Client) TakeOver(ctx context.Context, group string) (node.Handover, error) {
	return post[node.Handover](ctx, c, "/v1/transfer/accept", onGroup{group})
}

func (c *Client) Fork(ctx context.Context, group, name string) (node.Fork, error) {
	return post[node.Fork](ctx, c, "/v1/fork", forkGroup{group, name})
}

func (c *Client) AddDeputy(ctx context.Context, group, peer string, can []string) (node.Deputy, error) {
	return post[node.Deputy](ctx, c, "/v1/deputies", deputyAdd{group, peer, can})
}

func (c *Client) RemoveDeputy(ctx context.Context, group, peer string) (node.Deputy, error) {
	return post[node.Deputy](ctx, c, "/v1/deputies/remove", onPeer{group, peer})
}

func (c *Client) Rotate(ctx context.Context, group string) (node.Rotation, error) {
	return post[node.Rotation](ctx, c, "/v1/rotate", onGroup{group})
}

func (c *Client) Encryption(ctx context.Context, group, mode string) (node.Encryption, error) {
	return post[node.Encryption](ctx, c, "/v1/encryption", encryptionMode{group, mode})
}

func (c *Client) Keys(ctx context.Context, group string) iter.Seq2[node.Key, error] {
	return pages[node.Key](ctx, c, "/v1/keys", url.Values{"group": {group}})
}

func (c *Client) Verify(ctx context.Context, ref string, marked bool) (node.Verification, error) {
	if marked {
		return post[node.Verification](ctx, c, "/v1/verification", mark{ref})
	}
	return get[node.Verification](ctx, c, "/v1/verification", url.Values{"ref": {ref}})
}
