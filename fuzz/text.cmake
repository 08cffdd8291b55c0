conopa_fuzz(clip_vocabulary text)
