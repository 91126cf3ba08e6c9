module example.com/map-iterate-write

go 1.22
