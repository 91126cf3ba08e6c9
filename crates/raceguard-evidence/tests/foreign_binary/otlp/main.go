// Generate writes the same spans in the forms of OTLP that producers write: what the Go SDK's exporter sends, and what
// the collector's file exporter makes of it.
//
//	go mod init generate && go mod tidy && go run . FOLDER
//
// It needs dozens of modules and the network, so what it wrote (with version 1.47 of the SDK and 1.70 of the collector's
// pdata) lies beside it: sent.pb, framed.pb and lines.json.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func main() {
	var lock sync.Mutex
	var bodies [][]byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		lock.Lock()
		bodies = append(bodies, body)
		lock.Unlock()
	}))
	ctx := context.Background()
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(server.URL))
	check(err)
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSyncer(exporter),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "shop"), attribute.String("service.version", "1.4.2"),
			attribute.String("host.name", "h7"), attribute.Int("replicas", 3))))
	tracer := provider.Tracer("example.com/shop")
	ctx, parent := tracer.Start(ctx, "GET /cart", trace.WithSpanKind(trace.SpanKindServer))
	_, child := tracer.Start(ctx, "query", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("db.system", "postgresql"), attribute.Int64("rows", 1<<53+1),
			attribute.Bool("cached", false), attribute.Float64("ratio", 0.25), attribute.StringSlice("tables", []string{"a", "b"})),
		trace.WithLinks(trace.LinkFromContext(ctx)))
	child.RecordError(errors.New("timeout"))
	child.SetStatus(codes.Error, "timeout")
	child.End()
	parent.SetStatus(codes.Ok, "")
	parent.End()
	check(provider.Shutdown(ctx))

	folder := os.Args[1]
	var sent, framed, lines []byte
	for _, body := range bodies {
		sent = append(sent, body...)
		traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body)
		check(err)
		line, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
		check(err)
		lines = append(append(lines, line...), '\n')
		message, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
		check(err)
		framed = append(binary.BigEndian.AppendUint32(framed, uint32(len(message))), message...)
	}
	check(os.WriteFile(filepath.Join(folder, "sent.pb"), sent, 0o644))
	check(os.WriteFile(filepath.Join(folder, "framed.pb"), framed, 0o644))
	check(os.WriteFile(filepath.Join(folder, "lines.json"), lines, 0o644))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
