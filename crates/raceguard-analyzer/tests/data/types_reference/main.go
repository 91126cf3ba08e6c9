// Types_reference prints what go/types knows of the packages named on its command line, for comparison with the
// analyzer's own resolution. Lines, with tabs between the parts:
//
//	package  PATH NAME TARGET     one for each package and each one it imports; TARGET is true for those named
//	file     NAME                 a file of the last package
//	import   PATH RESOLVED        what an import path of the last package stands for
//	expr     FILE START END KIND TYPE    an expression in a body or initial value of the last package; KIND is
//	                              "type", "value", "none", or "define" for the name of a new variable
//	call     FILE START END KIND NAME    a call: KIND is "static", "interface" or "other"; NAME the callee's full name
//
// Aliases are resolved, and a method's receiver parameters have the names that their type gives them.
package main

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

type loader struct {
	fset    *token.FileSet
	out     *bufio.Writer
	targets map[string]bool
	loaded  map[string]*types.Package
	params  map[*types.TypeParam]string
}

func main() {
	build.Default.CgoEnabled = false
	l := &loader{
		fset:    token.NewFileSet(),
		out:     bufio.NewWriter(os.Stdout),
		targets: map[string]bool{},
		loaded:  map[string]*types.Package{"unsafe": types.Unsafe},
		params:  map[*types.TypeParam]string{},
	}
	for _, path := range os.Args[1:] {
		l.targets[path] = true
	}
	for _, path := range os.Args[1:] {
		if _, err := l.load(path, ""); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	l.out.Flush()
}

func (l *loader) Import(path string) (*types.Package, error) { return l.load(path, "") }

func (l *loader) ImportFrom(path, dir string, _ types.ImportMode) (*types.Package, error) {
	return l.load(path, dir)
}

func (l *loader) load(path, dir string) (*types.Package, error) {
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	found, err := build.Import(path, dir, 0)
	if err != nil {
		return nil, err
	}
	if known := l.loaded[found.ImportPath]; known != nil {
		return known, nil
	}
	var files []*ast.File
	for _, name := range found.GoFiles {
		file, err := parser.ParseFile(l.fset, filepath.Join(found.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	target := l.targets[found.ImportPath]
	info := &types.Info{
		Types:      map[ast.Expr]types.TypeAndValue{},
		Defs:       map[*ast.Ident]types.Object{},
		Uses:       map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{},
	}
	if !target {
		info = nil
	}
	config := types.Config{
		Importer: l, IgnoreFuncBodies: !target, FakeImportC: true, Sizes: types.SizesFor("gc", "amd64"),
	}
	checked, err := config.Check(found.ImportPath, l.fset, files, info)
	if err != nil && target {
		return nil, err
	}
	l.loaded[found.ImportPath] = checked
	l.print(found, files, info)
	return checked, nil
}

func (l *loader) print(found *build.Package, files []*ast.File, info *types.Info) {
	fmt.Fprintf(l.out, "package\t%s\t%s\t%v\n", found.ImportPath, found.Name, info != nil)
	for _, file := range files {
		fmt.Fprintf(l.out, "file\t%s\n", l.fset.Position(file.Pos()).Filename)
	}
	for _, path := range found.Imports {
		if resolved, err := build.Import(path, found.Dir, build.FindOnly); err == nil {
			fmt.Fprintf(l.out, "import\t%s\t%s\n", path, resolved.ImportPath)
		}
	}
	if info == nil {
		return
	}
	for index, file := range files {
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				l.nameReceiverParams(info.Defs[decl.Name])
				if decl.Body != nil {
					l.node(decl.Body, index, info)
				}
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					if value, ok := spec.(*ast.ValueSpec); ok && decl.Tok == token.VAR {
						for _, expr := range value.Values {
							l.node(expr, index, info)
						}
					}
				}
			}
		}
	}
}

func (l *loader) nameReceiverParams(object types.Object) {
	function, ok := object.(*types.Func)
	if !ok {
		return
	}
	params := function.Signature().RecvTypeParams()
	if params.Len() == 0 {
		return
	}
	receiver := types.Unalias(function.Signature().Recv().Type())
	if pointer, ok := receiver.(*types.Pointer); ok {
		receiver = types.Unalias(pointer.Elem())
	}
	declared := receiver.(*types.Named).Origin().TypeParams()
	for i := range params.Len() {
		l.params[params.At(i)] = declared.At(i).Obj().Name()
	}
}

func (l *loader) node(root ast.Node, file int, info *types.Info) {
	literals := map[*ast.FuncType]bool{}
	ast.Inspect(root, func(node ast.Node) bool {
		expr, ok := node.(ast.Expr)
		if !ok {
			return true
		}
		if literal, ok := expr.(*ast.FuncLit); ok {
			literals[literal.Type] = true
		}
		if call, ok := expr.(*ast.CallExpr); ok {
			l.call(call, file, info)
		}
		known, ok := info.Types[expr]
		if function, isFunction := expr.(*ast.FuncType); ok && !known.IsBuiltin() && !(isFunction && literals[function]) {
			kind := "value"
			ty := known.Type
			switch {
			case known.IsType():
				kind = "type"
			case known.IsVoid():
				kind = "none"
			}
			if tuple, ok := ty.(*types.Tuple); ok {
				if _, call := ast.Unparen(expr).(*ast.CallExpr); !call && tuple.Len() == 2 {
					ty = tuple.At(0).Type()
				}
			}
			l.line("expr", expr, file, kind, l.typeString(ty))
		}
		if name, isName := expr.(*ast.Ident); isName && !ok {
			if variable, isVar := info.Defs[name].(*types.Var); isVar && !variable.IsField() && variable.Name() != "_" {
				l.line("expr", expr, file, "define", l.typeString(variable.Type()))
			}
		}
		return true
	})
}

func (l *loader) call(call *ast.CallExpr, file int, info *types.Info) {
	fun := ast.Unparen(call.Fun)
	switch index := fun.(type) {
	case *ast.IndexExpr:
		fun = ast.Unparen(index.X)
	case *ast.IndexListExpr:
		fun = ast.Unparen(index.X)
	}
	kind, name := "other", ""
	var object types.Object
	switch fun := fun.(type) {
	case *ast.Ident:
		object = info.Uses[fun]
	case *ast.SelectorExpr:
		object = info.Uses[fun.Sel]
	}
	if function, ok := object.(*types.Func); ok {
		kind = "static"
		function = function.Origin()
		name = function.FullName()
		if receiver := function.Signature().Recv(); receiver != nil {
			base := types.Unalias(receiver.Type())
			star := ""
			if pointer, ok := base.(*types.Pointer); ok {
				base, star = types.Unalias(pointer.Elem()), "*"
			}
			if types.IsInterface(base) {
				kind, name = "interface", function.Name()
			} else if named, ok := base.(*types.Named); ok {
				name = fmt.Sprintf("(%s%s.%s).%s", star, named.Obj().Pkg().Path(), named.Obj().Name(), function.Name())
			}
		}
	}
	l.line("call", call, file, kind, name)
}

func (l *loader) line(what string, expr ast.Expr, file int, kind, text string) {
	start, end := l.fset.Position(expr.Pos()).Offset, l.fset.Position(expr.End()).Offset
	fmt.Fprintf(l.out, "%s\t%d\t%d\t%d\t%s\t%s\n", what, file, start, end, kind, text)
}

func (l *loader) typeString(ty types.Type) string {
	var text strings.Builder
	l.write(&text, ty)
	return text.String()
}

func (l *loader) write(w *strings.Builder, ty types.Type) {
	switch ty := types.Unalias(ty).(type) {
	case nil:
		w.WriteString("()")
	case *types.Basic:
		switch ty.Kind() {
		case types.Uint8:
			w.WriteString("uint8")
		case types.Int32:
			w.WriteString("int32")
		case types.UnsafePointer:
			w.WriteString("unsafe.Pointer")
		default:
			w.WriteString(ty.Name())
		}
	case *types.Named:
		if package_ := ty.Obj().Pkg(); package_ != nil {
			w.WriteString(package_.Path() + ".")
		}
		w.WriteString(ty.Obj().Name())
		if args := ty.TypeArgs(); args.Len() > 0 {
			w.WriteString("[")
			for i := range args.Len() {
				if i > 0 {
					w.WriteString(",")
				}
				l.write(w, args.At(i))
			}
			w.WriteString("]")
		}
	case *types.Pointer:
		w.WriteString("*")
		l.write(w, ty.Elem())
	case *types.Map:
		w.WriteString("map[")
		l.write(w, ty.Key())
		w.WriteString("]")
		l.write(w, ty.Elem())
	case *types.Slice:
		w.WriteString("[]")
		l.write(w, ty.Elem())
	case *types.Array:
		fmt.Fprintf(w, "[%d]", ty.Len())
		l.write(w, ty.Elem())
	case *types.Chan:
		l.writeChan(w, ty)
	case *types.Signature:
		w.WriteString("func")
		l.writeSignature(w, ty)
	case *types.Struct:
		w.WriteString("struct{")
		for i := range ty.NumFields() {
			if i > 0 {
				w.WriteString("; ")
			}
			if !ty.Field(i).Embedded() {
				w.WriteString(ty.Field(i).Name() + " ")
			}
			l.write(w, ty.Field(i).Type())
		}
		w.WriteString("}")
	case *types.Interface:
		l.writeInterface(w, ty)
	case *types.Tuple:
		w.WriteString("(")
		for i := range ty.Len() {
			if i > 0 {
				w.WriteString(", ")
			}
			l.write(w, ty.At(i).Type())
		}
		w.WriteString(")")
	case *types.TypeParam:
		if name, ok := l.params[ty]; ok {
			w.WriteString(name)
		} else {
			w.WriteString(ty.Obj().Name())
		}
	default:
		fmt.Fprintf(w, "%s", ty)
	}
}

func (l *loader) writeChan(w *strings.Builder, ty *types.Chan) {
	switch ty.Dir() {
	case types.SendOnly:
		w.WriteString("chan<- ")
	case types.RecvOnly:
		w.WriteString("<-chan ")
	default:
		w.WriteString("chan ")
		if inner, ok := types.Unalias(ty.Elem()).(*types.Chan); ok && inner.Dir() == types.RecvOnly {
			w.WriteString("(")
			l.write(w, ty.Elem())
			w.WriteString(")")
			return
		}
	}
	l.write(w, ty.Elem())
}

func (l *loader) writeSignature(w *strings.Builder, ty *types.Signature) {
	w.WriteString("(")
	for i := range ty.Params().Len() {
		if i > 0 {
			w.WriteString(", ")
		}
		param := ty.Params().At(i).Type()
		if slice, ok := param.(*types.Slice); ok && ty.Variadic() && i == ty.Params().Len()-1 {
			w.WriteString("...")
			param = slice.Elem()
		}
		l.write(w, param)
	}
	w.WriteString(")")
	switch results := ty.Results(); results.Len() {
	case 0:
	case 1:
		w.WriteString(" ")
		l.write(w, results.At(0).Type())
	default:
		w.WriteString(" ")
		l.write(w, results)
	}
}

func (l *loader) writeInterface(w *strings.Builder, ty *types.Interface) {
	if ty.NumExplicitMethods() == 0 && ty.NumEmbeddeds() == 0 {
		w.WriteString("any")
		return
	}
	var methods []*types.Func
	for i := range ty.NumExplicitMethods() {
		methods = append(methods, ty.ExplicitMethod(i))
	}
	sort.Slice(methods, func(i, j int) bool { return methods[i].Pos() < methods[j].Pos() })
	w.WriteString("interface{")
	separator := ""
	for _, method := range methods {
		w.WriteString(separator + method.Name())
		l.writeSignature(w, method.Signature())
		separator = "; "
	}
	for i := range ty.NumEmbeddeds() {
		w.WriteString(separator)
		if union, ok := ty.EmbeddedType(i).(*types.Union); ok {
			for j := range union.Len() {
				if j > 0 {
					w.WriteString(" | ")
				}
				if union.Term(j).Tilde() {
					w.WriteString("~")
				}
				l.write(w, union.Term(j).Type())
			}
		} else {
			l.write(w, ty.EmbeddedType(i))
		}
		separator = "; "
	}
	w.WriteString("}")
}
