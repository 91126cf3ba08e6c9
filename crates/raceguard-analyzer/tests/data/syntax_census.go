// Prints what go/parser makes of each Go file under the folders given: whether it accepts the file, and how many nodes
// of each kind it finds, with sums over their places. One line a file: path, a tab, "accept" or "reject", and for
// accepted files a tab and kind=number pairs.
package main

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"sort"
	"strings"
	"sync"
)

func main() {
	var paths []string
	for _, root := range os.Args[1:] {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && strings.HasSuffix(path, ".go") {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	lines := make([]string, len(paths))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for i := range next {
				lines[i] = census(paths[i])
			}
		}()
	}
	for i := range paths {
		next <- i
	}
	close(next)
	workers.Wait()
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for i, path := range paths {
		fmt.Fprintf(out, "%s\t%s\n", path, lines[i])
	}
}

// A counter counts nodes by kind.
type counter struct {
	file  *token.File
	count map[string]uint64
}

func census(path string) string {
	source, err := os.ReadFile(path)
	if err != nil {
		return "unread: " + err.Error()
	}
	fset := token.NewFileSet()
	mode := parser.ParseComments | parser.SkipObjectResolution | parser.AllErrors
	file, err := parser.ParseFile(fset, path, source, mode)
	if err != nil {
		if onlyGenericMethods(err) {
			return "accept"
		}
		return "reject"
	}
	c := counter{fset.File(file.FileStart), map[string]uint64{}}
	c.comments(file)
	ast.Inspect(file, func(node ast.Node) bool {
		if node != nil {
			c.node(node)
		}
		return true
	})
	var pairs []string
	for kind, number := range c.count {
		if number != 0 {
			pairs = append(pairs, fmt.Sprintf("%s=%d", kind, number))
		}
	}
	sort.Strings(pairs)
	return "accept\t" + strings.Join(pairs, " ")
}

// onlyGenericMethods tells whether a file is rejected only since Go before 1.27 has no methods with type parameters.
func onlyGenericMethods(err error) bool {
	list, ok := err.(scanner.ErrorList)
	for _, each := range list {
		ok = ok && each.Msg == "method must have no type parameters"
	}
	return ok
}

func (c counter) offset(pos token.Pos) uint64 {
	return uint64(c.file.Offset(pos))
}

func (c counter) comments(file *ast.File) {
	for _, group := range file.Comments {
		for _, comment := range group.List {
			c.count["Comment"]++
			c.count["Comment.at"] += c.offset(comment.Slash)
		}
	}
}

// attached counts a comment group that belongs to a node.
func (c counter) attached(kind string, group *ast.CommentGroup) {
	if group != nil {
		c.count[kind] += 31*c.offset(group.Pos()) + c.offset(group.List[len(group.List)-1].Slash)
	}
}

func (c counter) node(node ast.Node) {
	kind := strings.TrimPrefix(reflect.TypeOf(node).String(), "*ast.")
	switch node := node.(type) {
	case *ast.Comment, *ast.CommentGroup, *ast.File, *ast.BlockStmt, *ast.CaseClause, *ast.CommClause,
		*ast.Ellipsis, *ast.FieldList, *ast.KeyValueExpr:
		return
	case *ast.GenDecl:
		c.specs(node)
		return
	case *ast.FuncDecl:
		c.attached("FuncDecl.doc", node.Doc)
		if node.Recv != nil && (len(node.Recv.List) != 1 || len(node.Recv.List[0].Names) > 1) {
			c.count["odd-receiver"]++
		}
	case *ast.Field:
		return
	case *ast.StructType:
		for _, field := range node.Fields.List {
			c.attached("Field.doc", field.Doc)
			c.attached("Field.comment", field.Comment)
		}
	case *ast.FuncType, *ast.ImportSpec, *ast.ValueSpec, *ast.TypeSpec:
		c.count[kind]++
		return
	case *ast.IndexListExpr:
		kind = "IndexExpr"
	case *ast.TypeSwitchStmt:
		switch guard := node.Assign.(type) {
		case *ast.ExprStmt:
			c.uncount("ExprStmt", guard)
		case *ast.AssignStmt:
			c.uncount("AssignStmt", guard)
			if _, ok := guard.Lhs[0].(*ast.Ident); !ok {
				c.count["odd-guard"]++
			}
		}
	case *ast.TypeAssertExpr:
		if node.Type == nil {
			return
		}
	}
	c.count[kind]++
	c.count[kind+".at"] += c.place(node)
}

func (c counter) uncount(kind string, node ast.Node) {
	c.count[kind]--
	c.count[kind+".at"] -= c.place(node)
}

func (c counter) place(node ast.Node) uint64 {
	return 31*c.offset(node.Pos()) + c.offset(node.End())
}

// specs counts the comments of a declaration's lines. A group of one line shares its comment with it.
func (c counter) specs(decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		var doc *ast.CommentGroup
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			doc = spec.Doc
			if decl.Tok == token.VAR {
				c.attached("VarSpec.comment", spec.Comment)
			}
		case *ast.TypeSpec:
			doc = spec.Doc
			c.count["TypeSpec.at"] += c.place(spec)
		default:
			return
		}
		if doc == nil && len(decl.Specs) == 1 {
			doc = decl.Doc
		}
		c.attached("Spec.doc", doc)
	}
}
