module example.com/map-growth

go 1.22
