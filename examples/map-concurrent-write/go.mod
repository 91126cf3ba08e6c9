module example.com/map-concurrent-write

go 1.22
