// Makes the vectors in this folder with the packages of Go's checksum database, golang.org/x/mod/sumdb/{tlog,note}:
// see README.md. Nothing of Clientela's code is used; the leaf of an event is computed from its description.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const origin = "clientela/0123456789abcdef"

// Sizes around those of tiles and powers of two.
var sizes = []int64{31, 32, 33, 64, 100, 127, 128, 129, 255, 256, 257, 300}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func write(name string, value any) {
	out, err := json.MarshalIndent(value, "", " ")
	must(err)
	must(os.WriteFile(name, append(out, '\n'), 0o644))
}

// A log of leaves that are hashes already.
type log struct{ stored []tlog.Hash }

func (l *log) add(leaf tlog.Hash) {
	n := int64(0)
	for tlog.StoredHashIndex(0, n) < int64(len(l.stored)) {
		n++
	}
	hashes, err := tlog.StoredHashesForRecordHash(n, leaf, l)
	must(err)
	l.stored = append(l.stored, hashes...)
}

func (l *log) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		out[i] = l.stored[index]
	}
	return out, nil
}

// This version of tlog says that the root of an empty tree is all zeros; RFC 6962 says that it is the hash of nothing.
func (l *log) root(size int64) tlog.Hash {
	if size == 0 {
		return sha256.Sum256(nil)
	}
	root, err := tlog.TreeHash(size, l)
	must(err)
	return root
}

func texts(hashes []tlog.Hash) []string {
	out := []string{}
	for _, hash := range hashes {
		out = append(out, hash.String())
	}
	return out
}

func (l *log) path(size, index int64) []string {
	proof, err := tlog.ProveRecord(size, index, l)
	must(err)
	return texts(proof)
}

func (l *log) growth(to, from int64) []string {
	if from == 0 {
		return []string{}
	}
	proof, err := tlog.ProveTree(to, from, l)
	must(err)
	return texts(proof)
}

type inclusion struct {
	Index int64    `json:"index"`
	Size  int64    `json:"size"`
	Path  []string `json:"path"`
}

type consistency struct {
	From   int64    `json:"from"`
	To     int64    `json:"to"`
	Hashes []string `json:"hashes"`
}

func tree() {
	l := &log{}
	roots := []string{l.root(0).String()}
	for i := int64(0); i < 300; i++ {
		var data [8]byte
		binary.BigEndian.PutUint64(data[:], uint64(i))
		l.add(tlog.RecordHash(data[:]))
		roots = append(roots, l.root(i+1).String())
	}
	inclusions, consistencies := []inclusion{}, []consistency{}
	for size := int64(1); size <= 17; size++ {
		for index := int64(0); index < size; index++ {
			inclusions = append(inclusions, inclusion{index, size, l.path(size, index)})
			consistencies = append(consistencies, consistency{index + 1, size, l.growth(size, index+1)})
		}
	}
	for i, size := range sizes {
		for _, index := range []int64{0, 1, size / 2, size - 2, size - 1} {
			inclusions = append(inclusions, inclusion{index, size, l.path(size, index)})
		}
		for _, from := range append([]int64{1, 2, 7}, sizes[:i]...) {
			consistencies = append(consistencies, consistency{from, size, l.growth(size, from)})
		}
	}
	write("tree.json", map[string]any{
		"leaf": "of index i: SHA-256(0x00, i as 8 bytes big-endian)", "roots": roots, "inclusion": inclusions, "consistency": consistencies,
	})
}

// The leaves that the tests of certificate transparency use.
func transparency() {
	inputs := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	l := &log{}
	empty := l.root(0)
	roots := []string{hex.EncodeToString(empty[:])}
	for i, input := range inputs {
		data, err := hex.DecodeString(input)
		must(err)
		l.add(tlog.RecordHash(data))
		root := l.root(int64(i + 1))
		roots = append(roots, hex.EncodeToString(root[:]))
	}
	write("transparency.json", map[string]any{"inputs": inputs, "roots": roots})
}

type key struct {
	seed          []byte
	secret, check string
	signer        note.Signer
}

func newKey(name string, fill byte) key {
	seed := bytes.Repeat([]byte{fill}, 32)
	secret, check, err := note.GenerateKey(bytes.NewReader(seed), name)
	must(err)
	signer, err := note.NewSigner(secret)
	must(err)
	return key{seed, secret, check, signer}
}

func sign(text string, signers ...note.Signer) string {
	signed, err := note.Sign(&note.Note{Text: text}, signers...)
	must(err)
	return string(signed)
}

func checkpoint(size int64, root tlog.Hash) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, size, root)
}

type column struct {
	name  string
	value any
	bytes []byte
}

func number(name string, value int64, width int) column {
	var wide [8]byte
	binary.BigEndian.PutUint64(wide[:], uint64(value))
	return column{name, value, wide[8-width:]}
}

func text(name, value string) column { return column{name, value, []byte(value)} }

func id(name string, filled bool, fill byte) column {
	if !filled {
		return column{name, nil, nil}
	}
	raw := bytes.Repeat([]byte{fill}, 16)
	h := hex.EncodeToString(raw)
	return column{name, strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"), raw}
}

func moment(name string, micros int64) column {
	at := number(name, micros, 8)
	at.value = time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000000Z")
	return at
}

// An event that has, by its number, some of the optional columns and not the others; in the order of the leaf's description.
func event(position int64) []column {
	has := func(divisor int64) bool { return position%divisor == 0 }
	fill := byte(position)
	personal := column{"personal", nil, nil}
	if has(2) {
		raw := bytes.Repeat([]byte{fill, 0xff}, int(position%50))
		personal = column{"personal", base64.StdEncoding.EncodeToString(raw), append([]byte{}, raw...)}
	}
	payload := fmt.Sprintf(`{"nr":%d,"text":"<Ñandú & \"Łódź\"> 🜲\n"}`, position)
	return []column{
		number("position", position, 8), number("tenant", 1+position%3, 4), text("category", "customer"),
		text("type", "customer.registered"), number("schema_version", 1+position%2, 2), id("stream", true, fill|1),
		number("version", 1+position%9, 4), id("command_id", has(3), fill), id("once_id", has(5), fill), id("subject_id", has(2), fill),
		id("customer_id", has(7), fill), moment("occurred_at", 10_000_000_000_001*(position-150)), moment("recorded_at", 1_795_000_000_123_456+position),
		text("metadata", `{"actor":"cli"}`), text("payload", payload), personal,
	}
}

func leaf(columns []column) tlog.Hash {
	all := []byte{0x00}
	for _, column := range columns {
		if column.value == nil {
			all = append(all, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		all = binary.BigEndian.AppendUint32(all, uint32(len(column.bytes)))
		all = append(all, column.bytes...)
	}
	return sha256.Sum256(all)
}

func answers(signer note.Signer) {
	l := &log{}
	events := [][]column{nil}
	for position := int64(1); position <= 300; position++ {
		events = append(events, event(position))
		l.add(leaf(events[position]))
	}
	head := func(size int64) string { return sign(checkpoint(size, l.root(size)), signer) }
	for _, of := range [][2]int64{{1, 1}, {1, 7}, {2, 7}, {7, 7}, {6, 300}, {30, 300}, {70, 300}, {210, 300}, {256, 300}, {257, 300}, {300, 300}} {
		position, size := of[0], of[1]
		fields := map[string]any{}
		for _, column := range events[position] {
			fields[column.name] = column.value
		}
		lines := append([]string{"c2sp.org/tlog-proof@v1", fmt.Sprintf("index %d", position-1)}, l.path(size, position-1)...)
		hash := leaf(events[position])
		write(fmt.Sprintf("answers/event-%d-of-%d.json", position, size), map[string]any{
			"position": position, "event": fields, "leaf_hash": hex.EncodeToString(hash[:]),
			"proof": strings.Join(lines, "\n") + "\n\n" + head(size),
		})
	}
	for _, between := range [][2]int64{{0, 7}, {1, 7}, {7, 300}, {256, 300}, {299, 300}, {300, 300}} {
		from, to := between[0], between[1]
		write(fmt.Sprintf("answers/consistency-%d-to-%d.json", from, to), map[string]any{
			"from": head(from), "to": head(to), "hashes": l.growth(to, from),
		})
	}
	for _, size := range []int64{0, 1, 7, 256, 300} {
		must(os.WriteFile(fmt.Sprintf("answers/head-%d.txt", size), []byte(head(size)), 0o644))
	}
}

func notes(ours, other, namesake key) {
	text := checkpoint(0, sha256.Sum256(nil))
	write("notes.json", map[string]any{
		"seed": hex.EncodeToString(ours.seed), "secret": ours.secret, "key": ours.check, "text": text,
		"other_key": other.check, "namesake_key": namesake.check,
		"signed":          sign(text, ours.signer),
		"signed_by_two":   sign(text, other.signer, ours.signer),
		"signed_by_other": sign(text, other.signer),
		"by_namesake":     sign(text, namesake.signer),
		"receipt":         sign("clientela/erasure/v1\n7\n", ours.signer),
		"extended":        sign(text+"extension\n", ours.signer),
	})
}

func main() {
	must(os.MkdirAll("answers", 0o755))
	ours, other, namesake := newKey(origin, 7), newKey("witness.example", 8), newKey(origin, 9)
	must(os.WriteFile("answers/log.key.pub", []byte(ours.check+"\n"), 0o644))
	must(os.WriteFile("answers/other.key.pub", []byte(namesake.check+"\n"), 0o644))
	tree()
	transparency()
	notes(ours, other, namesake)
	answers(ours.signer)
}
