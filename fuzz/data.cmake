conopa_fuzz(idx data)
conopa_fuzz(cifar data)
conopa_fuzz(list data)
