package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"

	"conclave/keys"
)

// A backup is a stream of frames, each
//
//	kind 1 byte | length 4 bytes, big endian | that many bytes
//
// in this order: head, identity, keybag, settings, any number of records, end.
// It holds every secret of the home in the clear: whoever writes one seals it.
//
//	head      magic "CVBACKUP", version 1 byte
//	identity  the 32-byte seed
//	keybag    the body of a keybag file
//	settings  JSON of Settings
//	record    length of the key 2 bytes | key | value, sealed under its data key
//	end       how many records there were, 8 bytes
//
// The end frame tells a whole backup from one whose writer gave up.
const (
	frameHead byte = iota + 1
	frameIdentity
	frameKeybag
	frameSettings
	frameRecord
	frameEnd

	backupMagic   = "CVBACKUP"
	backupVersion = 1

	maxRecord = 2 << 20 // of key and value; the greatest value is a message
)

// ErrNoBackup: not a backup, or not a whole one.
var ErrNoBackup = errors.New("not a whole backup")

// WriteBackup writes everything that the home holds at this moment: what Commit
// and Update acknowledged before the call is in it. Writing goes on meanwhile.
// Memory use does not grow with the database, but with the keybag.
//
// The database is fixed first: a Step keeps its room keys before its records, so
// every key that a record needs is in the keybag that is read after it.
func WriteBackup(w io.Writer, h *Home, b *Keybag, db *DB) error {
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	db.fixed.RLock()
	defer db.fixed.RUnlock()
	snap := db.ds.DB.NewSnapshot()
	defer snap.Close()
	bag, err := encodeBag(b.state.Load())
	if err != nil {
		return err
	}
	defer clear(bag)
	settings, err := h.Settings()
	if err != nil {
		return err
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return err
	}
	seed := h.identity.Seed()
	out := bufio.NewWriterSize(w, 64<<10)
	for _, f := range []frame{
		{frameHead, append([]byte(backupMagic), backupVersion)},
		{frameIdentity, seed[:]}, {frameKeybag, bag}, {frameSettings, text},
	} {
		if err := f.write(out); err != nil {
			return err
		}
	}
	count, err := writeRecords(out, snap)
	if err != nil {
		return err
	}
	end := frame{frameEnd, binary.BigEndian.AppendUint64(nil, count)}
	return errors.Join(end.write(out), out.Flush())
}

// writeRecords writes every row of the database as it stands there.
func writeRecords(w io.Writer, snap *pebble.Snapshot) (count uint64, err error) {
	it, err := snap.NewIter(nil)
	if err != nil {
		return 0, readError(err)
	}
	defer it.Close()
	for first := true; ; first = false {
		valid, err := step(it, first, false)
		if err != nil || !valid {
			return count, readError(err)
		}
		row, err := rowOf(it)
		if err != nil {
			return count, err
		}
		if err := (frame{frameRecord, row}).write(w); err != nil {
			return count, err
		}
		count++
	}
}

func rowOf(it *pebble.Iterator) (row []byte, err error) {
	defer recovered(&err)
	sealed, err := it.ValueAndErr()
	if err != nil {
		return nil, readError(err)
	}
	key := it.Key()
	if len(key) > maxKey || 2+len(key)+len(sealed) > maxRecord {
		return nil, fmt.Errorf("%w: a record of %d bytes", ErrCorrupt, len(sealed))
	}
	row = binary.BigEndian.AppendUint16(nil, uint16(len(key)))
	return append(append(row, key...), sealed...), nil
}

type frame struct {
	kind byte
	data []byte
}

func (f frame) write(w io.Writer) error {
	head := binary.BigEndian.AppendUint32([]byte{f.kind}, uint32(len(f.data)))
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(f.data)
	return err
}

// backupReader reads frames. Memory is used for bytes that came, not for those
// that a length promises.
type backupReader struct {
	r   *bufio.Reader
	buf bytes.Buffer
}

// next returns the next frame, good until the call after. Errors: ErrNoBackup,
// those of the reader.
func (b *backupReader) next() (frame, error) {
	var head [5]byte
	if _, err := io.ReadFull(b.r, head[:]); err != nil {
		return frame{}, broken(err)
	}
	limit, length := uint32(maxRecord), binary.BigEndian.Uint32(head[1:])
	if head[0] == frameKeybag {
		limit = maxKeybag
	}
	if length > limit {
		return frame{}, fmt.Errorf("%w: a part has %d bytes", ErrNoBackup, length)
	}
	b.buf.Reset()
	if _, err := io.CopyN(&b.buf, b.r, int64(length)); err != nil {
		return frame{}, broken(err)
	}
	return frame{head[0], b.buf.Bytes()}, nil
}

// want returns the contents of the next frame, which is of that kind.
func (b *backupReader) want(kind byte) ([]byte, error) {
	f, err := b.next()
	if err == nil && f.kind != kind {
		err = fmt.Errorf("%w: part %d where %d belongs", ErrNoBackup, f.kind, kind)
	}
	return f.data, err
}

// broken makes an early end an ErrNoBackup; what reads the disk says it itself.
func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends too early", ErrNoBackup)
	}
	return err
}

// secrets is what stands before the records.
type secrets struct {
	seed     keys.Secret
	bag      *bagState
	settings Settings
}

// secrets reads the frames before the records. Errors: ErrNoBackup,
// ErrNewerFormat, those of the reader.
func (b *backupReader) secrets() (s secrets, err error) {
	head, err := b.want(frameHead)
	if err != nil {
		return s, err
	}
	if len(head) != len(backupMagic)+1 || string(head[:len(backupMagic)]) != backupMagic {
		return s, fmt.Errorf("%w: it is something else", ErrNoBackup)
	}
	if v := head[len(backupMagic)]; v != backupVersion {
		return s, fmt.Errorf("%w: backup version %d", ErrNewerFormat, v)
	}
	seed, err := b.want(frameIdentity)
	if err != nil {
		return s, err
	}
	if len(seed) != len(s.seed) {
		return s, fmt.Errorf("%w: no identity", ErrNoBackup)
	}
	s.seed = keys.Secret(seed)
	bag, err := b.want(frameKeybag)
	if err != nil {
		return s, err
	}
	if s.bag, err = decodeBag(bag); err != nil {
		return s, fmt.Errorf("%w: %w", ErrNoBackup, err)
	}
	clear(bag)
	text, err := b.want(frameSettings)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s.settings); err != nil {
		return s, fmt.Errorf("%w: %w", ErrNoBackup, err)
	}
	return s, nil
}

// records calls put for every record, and returns when the end was found and
// nothing after it.
func (b *backupReader) records(put func(key string, sealed []byte) error) error {
	for count := uint64(0); ; count++ {
		f, err := b.next()
		if err != nil {
			return err
		}
		if f.kind == frameEnd {
			return b.checkEnd(f.data, count)
		}
		if f.kind != frameRecord || len(f.data) < 2 {
			return fmt.Errorf("%w: part %d among the records", ErrNoBackup, f.kind)
		}
		n, row := int(binary.BigEndian.Uint16(f.data)), f.data[2:]
		if n > len(row) || checkKey(string(row[:n])) != nil {
			return fmt.Errorf("%w: a record without a key", ErrNoBackup)
		}
		if err := put(string(row[:n]), bytes.Clone(row[n:])); err != nil {
			return err
		}
	}
}

func (b *backupReader) checkEnd(end []byte, count uint64) error {
	if len(end) != 8 || binary.BigEndian.Uint64(end) != count {
		return fmt.Errorf("%w: %d records are there", ErrNoBackup, count)
	}
	_, err := b.r.ReadByte()
	switch {
	case errors.Is(err, io.EOF):
		return nil // whatever sealed the stream says so too: nothing was cut off
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: it goes on after its end", ErrNoBackup)
}
