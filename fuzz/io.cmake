foreach(name gguf gzip npz pickle pth safetensors)
  conopa_fuzz(${name} io)
endforeach()
