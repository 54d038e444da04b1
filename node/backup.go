package node

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"filippo.io/age"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
)

// maxRecipients is how many recipients a backup may have.
const maxRecipients = 64

// Backup prepares a backup that the holders of these age recipients can open,
// and returns what writes it: everything that this node acknowledged before it
// is called. The file is cut short, and refused by Restore, where it returns an
// error.
func (n *Node) Backup(recipients []string) (func(io.Writer) error, error) {
	to, err := parseRecipients(recipients)
	if err != nil {
		return nil, err
	}
	return func(w io.Writer) error {
		sealed, err := age.Encrypt(w, to...)
		if err != nil {
			return err
		}
		if err := store.WriteBackup(sealed, n.home, n.bag, n.db); err != nil {
			return diskError(err)
		}
		return sealed.Close()
	}, nil
}

func parseRecipients(texts []string) ([]age.Recipient, error) {
	if len(texts) == 0 || len(texts) > maxRecipients {
		return nil, &Error{Kind: KindUsage, Message: fmt.Sprintf("a backup has 1 to %d recipients", maxRecipients)}
	}
	var out []age.Recipient
	for _, t := range texts {
		r, err := age.ParseRecipients(strings.NewReader(t))
		if err != nil || len(r) != 1 {
			// Not the text itself: it may be a secret key, given by mistake.
			return nil, &Error{Kind: KindUsage, Message: "not an age recipient", Hint: "--recipient age1..., as `age-keygen -y` prints it"}
		}
		out = append(out, r[0])
	}
	return out, nil
}

// MayRestore returns nil if Restore would find the home empty, or none.
func MayRestore(home string) error {
	if err := store.CheckUnused(home); err != nil {
		return restoreError(err)
	}
	return nil
}

// Restored answers `restore`.
type Restored struct {
	PeerID      string `json:"peer_id"`
	Fingerprint string `json:"fingerprint"`
	Groups      int    `json:"groups"`
	Held        int    `json:"held"` // lines that waited to leave when the backup was made: see Parked
}

// Restore makes a home out of a backup, where there is none. No node need run.
// The home is there as a whole when it returns, or not at all.
//
// The restored node never signs in the lanes of the node before, whatever that
// has signed since the backup: every group begins a new one. It has a new bundle
// too. What waited to leave is parked.
func Restore(home string, src io.Reader, identities ...age.Identity) (Restored, error) {
	opened, err := age.Decrypt(bufio.NewReader(src), identities...)
	if err != nil {
		return Restored{}, sealError(err, identities)
	}
	re, err := store.BeginRestore(home, sealedReader{opened}, store.Options{})
	if err != nil {
		return Restored{}, restoreError(err)
	}
	out, err := renew(re)
	if err != nil {
		return Restored{}, restoreError(errors.Join(err, re.Abort()))
	}
	if err := re.Finish(); err != nil {
		return Restored{}, restoreError(err)
	}
	return out, nil
}

// sealedReader says of what does not open, or ends too early, that it is no
// whole backup.
type sealedReader struct{ io.Reader }

func (s sealedReader) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", store.ErrNoBackup, err)
	}
	return n, err
}

// renew makes the restored home that of a new node of the same person.
func renew(re *store.Restore) (Restored, error) {
	n := &Node{
		home: re.Home, bag: re.Bag, db: re.DB, self: re.Home.Identity(), me: re.Home.Identity().PeerID(),
		now: wallClock, log: slog.New(slog.DiscardHandler),
	}
	if err := n.openDirectory(); err != nil {
		return Restored{}, err
	}
	last, _ := keys.ParseBundle(n.dir.Bundle) // none yet: number 0
	if err := n.replaceBundle(last.Seq, nil); err != nil {
		return Restored{}, err
	}
	id := idOf(n.me)
	out := Restored{PeerID: id.PeerID, Fingerprint: id.Fingerprint, Groups: len(n.dir.Groups)}
	for _, gid := range re.Bag.Groups() {
		if gid == (keys.Hash{}) {
			continue // the node's own records
		}
		held, err := n.renewGroup(gid)
		if err != nil {
			return Restored{}, err
		}
		out.Held += held
	}
	return out, nil
}

// renewGroup begins a new lane and parks the outbox.
func (n *Node) renewGroup(gid keys.Hash) (held int, err error) {
	d, err := n.openDisk(gid)
	if err != nil {
		return 0, err
	}
	local, err := d.local()
	if err != nil {
		return 0, err
	}
	if local == nil {
		local = new(group.Local)
	}
	if local.Lane, err = d.nextLane(n.me, local.Lane, n.clock()); err != nil {
		return 0, err
	}
	var b store.Batch
	d.space.Put(&b, localKey, keys.Marshal(local))
	if held, err = d.park(&b); err != nil {
		return 0, err
	}
	return held, n.db.Commit(&b)
}

// nextLane names the lane after every one of this person that is known, in
// which present is the newest: by the Unix time, which is above those that only
// others know. (PROTOCOL.md, "Control entries")
func (d *disk) nextLane(me keys.PeerID, present, now uint64) (uint64, error) {
	lane := max(present+1, now/1000)
	for _, kind := range []string{"c", "m"} {
		for rec, err := range d.space.Scan(store.Query{Prefix: fmt.Sprintf("/%s/%x", kind, me[:]), Reverse: true, Limit: 1, KeysOnly: true}) {
			if err != nil {
				return 0, err
			}
			var known uint64
			if _, err := fmt.Sscanf(strings.Split(rec.Key, "/")[3], "%x", &known); err != nil {
				return 0, fmt.Errorf("%w: %s", store.ErrCorrupt, rec.Key)
			}
			lane = max(lane, known+1)
		}
	}
	return lane, nil
}

// sealError says why a backup does not open.
func sealError(err error, given []age.Identity) error {
	var none *age.NoIdentityMatchError
	if !errors.As(err, &none) {
		return &Error{Kind: KindError, Message: "this is no backup, or it is damaged: " + err.Error(), Hint: "try another copy of it"}
	}
	sealedByPassphrase := len(none.StanzaTypes) == 1 && none.StanzaTypes[0] == "scrypt"
	switch {
	case !sealedByPassphrase:
		return &Error{Kind: KindError, Message: "the backup is for other recipients", Hint: "--identity FILE, with the age identity of one of them"}
	case slices.ContainsFunc(given, func(id age.Identity) bool { _, is := id.(*age.ScryptIdentity); return is }):
		return &Error{Kind: Passphrase, Message: "wrong passphrase", Hint: "it is the one that was given to `conclave backup`"}
	}
	return &Error{Kind: KindError, Message: "the backup has a passphrase", Hint: "give it on a terminal, or with --passphrase-file"}
}

// restoreError says what a person can do about a backup that does not become a
// home.
func restoreError(err error) error {
	switch {
	case errors.Is(err, store.ErrUsedHome):
		return &Error{Kind: KindError, Message: err.Error(), Hint: "choose a folder that is not there yet with --home, or move that one away"}
	case errors.Is(err, store.ErrLocked):
		return &Error{Kind: KindError, Message: "another restore into this home is running"}
	case errors.Is(err, store.ErrNoBackup):
		return &Error{Kind: KindError, Message: err.Error(), Hint: "try another copy of it"}
	case errors.Is(err, store.ErrNewerFormat):
		return &Error{Kind: KindError, Message: err.Error(), Hint: "this backup was written by a newer conclave: use that version"}
	case errors.Is(err, store.ErrUnsafeHome), errors.Is(err, store.ErrDiskFull):
		return homeError(err)
	}
	return diskError(err)
}
