package node

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRepair: a database that is damaged is refused with a hint; after the repair
// it is whole again, from what could be read and from the one other member, and
// the node talks on. Nothing is lost that somebody has, and no number is used
// twice.
func TestRepair(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(files []string){
		"a byte": func(files []string) { overwrite(t, files[0], 0.5, []byte{0xff, 0, 0xff}) },
		"all": func(files []string) {
			for _, f := range files {
				overwrite(t, f, 0, bytes.Repeat([]byte("x"), 1<<20))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ann := newPlayer(t, "ann")
			bob := newPlayer(t, "bob", ann)
			gid := newGroup(t, CreateGroup{}, ann, bob)
			agree(t, gid, ann, bob)
			var said []string
			for i := range 100 {
				p := []*player{ann, bob}[i%2]
				said = append(said, fmt.Sprint(p.name, " ", i))
				p.say(gid, said[i])
			}
			dm, err := bob.DM(within(t), ann.id(), "between us")
			ok(t, err)
			await(t, "all lines at ann", func() bool { return len(ann.texts(gid)) == len(said) })
			_, err = ann.DM(within(t), bob.id(), "")
			ok(t, err)
			ann.reads(dm.GroupID, "between us")
			for range 2 { // what is in the journal comes into tables
				ok(t, bob.down())
				bob.up(ann)
			}
			ok(t, bob.down())
			damage(bob.tables())

			if name == "a byte" { // a process that met worse cannot open the database again
				var refused *Error
				if err := bob.tryUp(ann); !errors.As(err, &refused) || !strings.Contains(refused.Hint, "doctor --repair") {
					t.Fatalf("started on a damaged database: %v", err)
				}
				bob.elsewhere()
			}
			got, err := Repair(bob.cfg)
			ok(t, err)
			if got.State != "repaired" || got.Aside == nil || name == "a byte" && got.Records < 100 {
				t.Fatalf("repaired: %+v", got)
			}
			if got, err := Repair(bob.cfg); err != nil || got.State != "sound" {
				t.Errorf("again: %+v, %v", got, err)
			}
			bob.up(ann)
			await(t, "all lines at bob", func() bool {
				return bob.has(gid) && fmt.Sprint(slices.Sorted(slices.Values(bob.texts(gid)))) == fmt.Sprint(slices.Sorted(slices.Values(said)))
			})
			bob.say(gid, "back again")
			ann.reads(gid, "back again")
			await(t, "the conversation", func() bool {
				return bob.has(dm.GroupID) && slices.Equal(bob.texts(dm.GroupID), []string{"between us"})
			})
			for _, p := range []*player{ann, bob} {
				if log := p.log.String(); strings.Contains(log, "two different records") {
					t.Error(log)
				}
			}
		})
	}
}

// has reports whether the node knows the group: one that was lost with the
// database comes back when a member speaks of it.
func (p *player) has(gid string) bool {
	_, err := p.Group(within(p.t), gid)
	return err == nil
}

// elsewhere moves the home of a node that is down. The repair is for another
// process: where pebble came upon the damage by itself, while it merged tables,
// this one cannot open the database at its old place again.
func (p *player) elsewhere() {
	p.t.Helper()
	home := filepath.Join(p.t.TempDir(), p.name)
	ok(p.t, os.Rename(p.cfg.Home, home))
	p.cfg.Home = home
}

// tables lists the files of the database that have something in them, the
// greatest table first.
func (p *player) tables() []string {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.cfg.Home, "db", "*.sst"))
	ok(p.t, err)
	if len(files) == 0 {
		p.t.Fatal("the database has no table")
	}
	size := func(path string) int64 {
		fi, err := os.Stat(path)
		ok(p.t, err)
		return fi.Size()
	}
	slices.SortFunc(files, func(a, b string) int { return int(size(b) - size(a)) })
	return files
}

// overwrite writes over a file from a share of its length on, not beyond its end.
func overwrite(t *testing.T, path string, from float64, with []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	ok(t, err)
	copy(b[int(from*float64(len(b))):], with)
	ok(t, os.WriteFile(path, b, 0o600))
}
