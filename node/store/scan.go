package store

import (
	"fmt"
	"iter"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// Record is one row of a Scan.
type Record struct {
	Key   string
	Value []byte // nil with KeysOnly
}

// Query says what a Scan yields.
type Query struct {
	// Prefix is a key; what lies beneath it is yielded, itself not. Empty: the
	// whole space.
	Prefix string
	// From is the first key to be yielded, if there is such a record, else the
	// one that follows in the direction of the scan. Empty: from the start.
	From string
	// After is as From, but the key itself is left out: the last key of a page
	// goes here for the next one. At most one of the two is set.
	After string
	// Reverse yields the greatest key first.
	Reverse bool
	// Limit is the greatest number of records; 0: all.
	Limit int
	// KeysOnly leaves the values sealed and unread.
	KeysOnly bool
}

// Scan yields records in the order of their keys, as they were when it began.
//
// A record that is damaged comes with its key and ErrCorrupt, and the scan goes
// on. Any other error comes without a key and ends it: ErrKey, ErrClosed,
// ErrCorrupt where the database's own files are damaged, those of the file
// system. Close waits for the end of a scan.
func (s *Space) Scan(q Query) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if err := s.scan(q, yield); err != nil {
			yield(Record{}, err)
		}
	}
}

// scan returns the error that ended it early. A panic of the loop's body is not
// ours to catch: only steps of the iterator are guarded.
func (s *Space) scan(q Query, yield func(Record, error) bool) error {
	bounds, err := s.bounds(q)
	if err != nil {
		return err
	}
	if err := s.db.enter(); err != nil {
		return err
	}
	defer s.db.leave()
	it, err := s.db.ds.DB.NewIter(bounds)
	if err != nil {
		return readError(err)
	}
	defer it.Close()
	for n := 0; q.Limit == 0 || n < q.Limit; n++ {
		valid, err := step(it, n == 0, q.Reverse)
		if err != nil || !valid {
			return readError(err)
		}
		rec, err := s.record(it, q.KeysOnly)
		if rec.Key == "" {
			return err
		}
		if !yield(rec, err) {
			return nil
		}
	}
	return nil
}

// step moves the iterator. Its end and its failure look the same but for Error.
func step(it *pebble.Iterator, first, reverse bool) (valid bool, err error) {
	defer recovered(&err)
	switch {
	case first && reverse:
		valid = it.Last()
	case first:
		valid = it.First()
	case reverse:
		valid = it.Prev()
	default:
		valid = it.Next()
	}
	return valid, it.Error()
}

// record reads the row under the iterator. The key is empty if the row itself
// cannot be read.
func (s *Space) record(it *pebble.Iterator, keysOnly bool) (rec Record, err error) {
	defer recovered(&err)
	whole := string(it.Key())
	if keysOnly {
		return Record{Key: whole[len(s.prefix):]}, nil
	}
	sealed, err := it.ValueAndErr()
	if err != nil {
		return Record{}, readError(err)
	}
	value, err := s.open(whole, sealed)
	return Record{Key: whole[len(s.prefix):], Value: value}, err
}

// bounds turns a query into what pebble seeks by: everything between "prefix/"
// and "prefix0", which follows it.
func (s *Space) bounds(q Query) (*pebble.IterOptions, error) {
	prefix := s.prefix
	if q.Prefix != "" {
		var err error
		if prefix, err = s.key(q.Prefix); err != nil {
			return nil, err
		}
	}
	o := &pebble.IterOptions{LowerBound: []byte(prefix + "/"), UpperBound: []byte(prefix + "0")}
	if q.From != "" && q.After != "" {
		return nil, fmt.Errorf("%w: both From and After", ErrKey)
	}
	start := q.From + q.After
	if start == "" {
		return o, nil
	}
	whole, err := s.key(start)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(whole, prefix+"/") {
		return nil, fmt.Errorf("%w: %.80q is not under the prefix", ErrKey, start)
	}
	// The key that follows k next is k and a zero byte.
	if included := q.From != ""; q.Reverse == included {
		whole += "\x00"
	}
	if q.Reverse {
		o.UpperBound = []byte(whole)
	} else {
		o.LowerBound = []byte(whole)
	}
	return o, nil
}

// Clear deletes every record of the space, a thousand a batch; each batch is one
// Commit. For a group that was dropped: its records are unreadable then, but
// take space.
func (s *Space) Clear() error {
	last := ""
	for {
		var b Batch
		// On from the last key: the deleted ones are passed over one by one.
		for rec, err := range s.Scan(Query{After: last, Limit: 1000, KeysOnly: true}) {
			if err != nil {
				return err
			}
			s.Delete(&b, rec.Key)
			last = rec.Key
		}
		if b.Len() == 0 {
			return nil
		}
		if err := s.db.Commit(&b); err != nil {
			return err
		}
	}
}
