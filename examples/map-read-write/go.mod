module example.com/map-read-write

go 1.22
