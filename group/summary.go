package group

import "conclave/keys"

// Summary says in 32 bytes what its author holds, for those who hold the same to
// keep quiet and for others to catch up. It is heard, never kept.
// (PROTOCOL.md, "Summaries")
type Summary struct {
	_      struct{} `cbor:",toarray"`
	GID    Hash
	Author PeerID
	Seq    uint64 // max(last + 1, Unix milliseconds)
	Digest Hash
}

func (s *Summary) check() error {
	if s.Author.Check() != nil {
		return ErrBody
	}
	return nil
}

// SignSummary returns the payload of a summary by self.
func SignSummary(self *keys.Identity, gid Hash, seq uint64, digest Hash) []byte {
	s := &Summary{GID: gid, Author: self.PeerID(), Seq: seq, Digest: digest}
	return append([]byte{byte(KindSummary)}, self.Sign(keys.LabelSummary, gid, keys.Marshal(s)).Encode()...)
}

// Summary returns the summary, or nil where the record is of another kind. It
// must not be changed.
func (v Verified) Summary() *Summary { s, _ := v.v.(*Summary); return s }

// Digest is the same for equal contents, wherever copies of logs begin.
func (h Heights) Digest() Hash {
	logs := make([]LogHead, len(h.Logs))
	for i, l := range h.Logs {
		l.Base = 0
		logs[i] = l
	}
	return keys.Sum(keys.Marshal(Heights{Control: h.Control, Logs: logs, Latest: h.Latest}))
}
